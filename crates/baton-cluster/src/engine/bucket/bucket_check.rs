//! The check of a bucket at the start: it keeps Baton's promise, and it is this cluster's.

use bytes::Bytes;

use super::super::error::EngineError;
use super::super::snapshot_key::Put;
use super::bucket_snapshots::BucketSnapshots;

/// Checks that the store takes an object only where there is none, gives it back, and removes
/// it. Uses an object of its own.
pub(crate) async fn check(bucket: &BucketSnapshots) -> Result<(), EngineError> {
    let name = bucket.options().trial(rand::random());
    let (first, other) = (Bytes::from_static(b"first"), Bytes::from_static(b"other"));
    bucket.put_object(&name, first.clone()).await?;
    let again = bucket.put_object(&name, other).await;
    let found = bucket.get_object(&name).await;
    bucket.remove_object(&name).await?;
    let (again, found) = (again?, found?);
    if again != Put::Taken {
        return Err(EngineError::Unfit {
            what: format!(
                "the snapshot store {} stores an object over another one: it does not honour \
                 `If-None-Match: *`",
                bucket.options()
            ),
            mend: "use a store with conditional writes (Amazon S3, Cloudflare R2, MinIO, Ceph \
                   and SeaweedFS have them in new versions), or keep the snapshots in the \
                   engine: leave `--cluster-snapshots` away"
                .to_owned(),
        });
    }
    if found.as_ref() != Some(&first) {
        return Err(EngineError::Unfit {
            what: format!(
                "the snapshot store {} does not give back at once what was stored",
                bucket.options()
            ),
            mend: "use a store in which a read after a write sees it".to_owned(),
        });
    }
    Ok(())
}

/// Checks that the bucket is the one of the cluster with this id. While the cluster is being
/// created an unused place becomes its own.
pub(crate) async fn claim(
    bucket: &BucketSnapshots,
    cluster: &str,
    creating: bool,
) -> Result<(), EngineError> {
    let (name, place) = (bucket.options().owner(), bucket.options());
    let own = Bytes::copy_from_slice(cluster.as_bytes());
    if creating {
        bucket.put_object(&name, own.clone()).await?;
    }
    let (what, mend) = match bucket.get_object(&name).await? {
        Some(found) if found == own => return Ok(()),
        Some(_) => (
            format!("the snapshots in {place} are those of another cluster"),
            "give each cluster a bucket or a prefix of its own".to_owned(),
        ),
        None => (
            format!("{place} has no snapshots of this cluster"),
            format!(
                "see that AWS_ENDPOINT_URL names the store that has {}, or restore that object \
                 (its content is `{cluster}`) together with all others",
                place.url(&name)
            ),
        ),
    };
    Err(EngineError::Unfit { what, mend })
}
