//! The bucket that keeps a cluster's snapshots, how it is reached, and the names of its objects.

use std::fmt;

use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use object_store::{BackoffConfig, Error};

use super::super::error::EngineError;
use super::super::snapshot_key::SnapshotKey;
use super::bucket_http::BucketConnector;
use crate::core::{DocumentKey, StreamPosition};

/// Longest prefix within a bucket, in bytes: with the longest key of a document an object's name
/// stays far below the 1,024 bytes of S3.
const MAX_PREFIX: usize = 512;

/// Stands in an object's name for the first letter of the key of a document whose name is hashed,
/// which many stores do not take.
const HASHED: char = '!';

/// A bucket of an S3-like store, and what is needed to reach it.
#[derive(Clone)]
pub struct BucketOptions {
    bucket: String,
    /// Without slashes at its ends.
    prefix: String,
    /// Variables of the AWS tools, by name. Some are secret.
    variables: Vec<(String, String)>,
}

impl BucketOptions {
    /// Reads `s3://bucket/prefix` or `s3://bucket`. Of the variables those count that are named as
    /// the AWS tools have them: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_REGION`, `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, those of web identities and of
    /// containers, `AWS_VIRTUAL_HOSTED_STYLE_REQUEST`, `AWS_SERVER_SIDE_ENCRYPTION`. Without a key
    /// the machine's own role is asked for.
    ///
    /// # Errors
    /// [`EngineError::Configuration`] if the address is none.
    pub fn new(
        address: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<BucketOptions, EngineError> {
        let wrong = |what: &str| EngineError::Configuration {
            what: format!("the place of the snapshots is not valid: {what}"),
        };
        let rest = address
            .strip_prefix("s3://")
            .ok_or_else(|| wrong("it starts with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let of_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(of_bucket) {
            return Err(wrong(
                "a bucket has 3 to 63 small letters, digits, '.', '-' and '_'",
            ));
        }
        let prefix = prefix.trim_end_matches('/');
        let of_prefix = |c: char| c.is_ascii_alphanumeric() || "/.-_=".contains(c);
        let parts = || prefix.split('/');
        if prefix.len() > MAX_PREFIX
            || !prefix.chars().all(of_prefix)
            || (!prefix.is_empty() && parts().any(|part| matches!(part, "" | "." | "..")))
        {
            return Err(wrong(
                "a prefix has at most 512 letters, digits, '.', '-', '_' and '=' with single \
                 slashes between them",
            ));
        }
        Ok(BucketOptions {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            variables: variables
                .into_iter()
                .filter(|(name, _)| name.starts_with("AWS_"))
                .collect(),
        })
    }

    /// Returns the store. Nothing is asked yet.
    pub(super) fn store(&self) -> Result<AmazonS3, EngineError> {
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.variables {
            let Ok(key) = name.to_ascii_lowercase().parse() else {
                continue;
            };
            // The bucket is that of the address, and what is put never replaces anything.
            if !matches!(
                key,
                AmazonS3ConfigKey::Bucket
                    | AmazonS3ConfigKey::ConditionalPut
                    | AmazonS3ConfigKey::Client(_)
            ) {
                builder = builder.with_config(key, value);
            }
        }
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| builder.get_config_value(key));
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            // Snapshots and openings ask again by themselves, later.
            max_retries: 2,
            ..RetryConfig::default()
        };
        builder
            .with_bucket_name(&self.bucket)
            .with_allow_http(plain)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .with_http_connector(BucketConnector)
            .build()
            .map_err(|error| EngineError::Configuration {
                what: format!("{self} cannot be used ({})", without_values(&error)),
            })
    }

    /// Returns the name of a snapshot's object.
    pub(super) fn snapshot(&self, key: &SnapshotKey) -> Path {
        let StreamPosition {
            incarnation,
            sequence,
        } = key.at;
        self.of_document(&key.document)
            .join(format!("{incarnation}.{sequence}"))
    }

    /// Returns what the names of a document's snapshots begin with.
    pub(super) fn of_document(&self, document: &DocumentKey) -> Path {
        let key = document.as_str().replacen('~', &HASHED.to_string(), 1);
        self.documents().join(key)
    }

    /// Returns what the names of all snapshots begin with.
    pub(super) fn documents(&self) -> Path {
        self.own("d")
    }

    /// Returns the name of the object that says which cluster's snapshots these are.
    pub(super) fn owner(&self) -> Path {
        self.own("cluster")
    }

    /// Returns the name of an object that a start writes and removes.
    pub(super) fn trial(&self, number: u64) -> Path {
        self.own("trials").join(format!("{number:016x}"))
    }

    /// Returns the snapshot that an object's name says.
    pub(super) fn snapshot_of(&self, name: &Path) -> Option<SnapshotKey> {
        let name = name.as_ref().strip_prefix(self.documents().as_ref())?;
        let (document, at) = name.strip_prefix('/')?.split_once('/')?;
        let (incarnation, sequence) = at.split_once('.')?;
        let at = StreamPosition {
            incarnation: incarnation.parse().ok()?,
            sequence: sequence.parse().ok()?,
        };
        let document = DocumentKey::parse(&document.replacen(HASHED, "~", 1))?;
        Some(SnapshotKey { document, at })
    }

    /// Returns the address of an object.
    pub(super) fn url(&self, name: &Path) -> String {
        format!("s3://{}/{name}", self.bucket)
    }

    fn own(&self, part: &str) -> Path {
        // The prefix was checked: no part of it is changed by being parsed.
        self.prefix
            .split('/')
            .filter(|part| !part.is_empty())
            .fold(Path::default(), |path, part| path.join(part))
            .join(part)
    }
}

/// The place without the variables.
impl fmt::Display for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketOptions({self})")
    }
}

/// Says which setting is missing or wrong. An error may repeat the value of a variable.
fn without_values(error: &Error) -> &'static str {
    let text = error.to_string();
    if text.contains("SecretAccessKey") || text.contains("AccessKeyId") {
        return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together";
    }
    "one of the AWS_ variables has a value that it cannot have, or the system has no certificates"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(address: &str) -> Result<BucketOptions, EngineError> {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "baton"),
            ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_BUCKET", "another"),
            ("AWS_CONDITIONAL_PUT", "disabled"),
            ("AWS_PAGER", ""),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        BucketOptions::new(address, variables)
    }

    #[test]
    fn an_address_has_a_bucket_and_perhaps_a_prefix() {
        for (address, shown) in [
            ("s3://snapshots", "s3://snapshots/"),
            ("s3://snapshots/", "s3://snapshots/"),
            ("s3://a.b-c/baton/one/", "s3://a.b-c/baton/one"),
        ] {
            assert_eq!(bucket(address).unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "engine",
            "s3:/bucket",
            "http://bucket/a",
            "s3://",
            "s3://ab",
            "s3://Snapshots",
            "s3://snap shots",
            "s3://snapshots//a",
            "s3://snapshots/a/../b",
            "s3://snapshots/a?b",
        ] {
            let refused = bucket(wrong).unwrap_err().to_string();
            assert!(refused.contains("the place of the snapshots"), "{refused}");
        }
    }

    #[test]
    fn variables_reach_the_store_and_are_never_shown() {
        let options = bucket("s3://snapshots/p").unwrap();
        let store = options.store().unwrap();
        assert!(store.to_string().contains("snapshots"), "{store}");
        assert!(!format!("{options:?} {options}").contains("s3cr3t"));
        let half = [("AWS_SECRET_ACCESS_KEY".to_owned(), "s3cr3t".to_owned())];
        let half = BucketOptions::new("s3://snapshots", half).unwrap();
        let refused = half.store().unwrap_err().to_string();
        assert!(refused.contains("AWS_ACCESS_KEY_ID"), "{refused}");
        assert!(!refused.contains("s3cr3t"), "{refused}");
    }

    #[test]
    fn an_object_names_its_document_and_position() {
        let at = StreamPosition {
            incarnation: 2,
            sequence: 77,
        };
        let long = "long".repeat(100);
        for place in ["s3://snapshots", "s3://snapshots/baton/one"] {
            let options = bucket(place).unwrap();
            for name in ["notes", "team/a b.c", "日本", "..", "~", "!", "", &long] {
                let document = DocumentKey::new(name);
                let key = SnapshotKey { document, at };
                let path = options.snapshot(&key);
                assert_eq!(options.snapshot_of(&path), Some(key), "{path}");
                // A store must take every name as it is.
                assert_eq!(Path::parse(path.as_ref()).unwrap(), path);
            }
            assert_eq!(options.snapshot_of(&options.owner()), None);
        }
        let options = bucket("s3://snapshots/baton").unwrap();
        let key = SnapshotKey {
            document: DocumentKey::new("a/b"),
            at,
        };
        assert_eq!(
            options.url(&options.snapshot(&key)),
            "s3://snapshots/baton/d/a=2fb/2.77"
        );
    }
}
