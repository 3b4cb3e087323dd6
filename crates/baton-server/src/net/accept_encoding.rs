//! Chooses the content coding that a request prefers, by RFC 9110 section 12.5.3. A pure function
//! of the header's values.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

/// A content coding in which files are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Brotli: the smallest, and so the first choice among equals.
    Brotli,
    /// Gzip.
    Gzip,
    /// The bytes as they are.
    Identity,
}

impl Coding {
    /// Returns the token of `Content-Encoding`; `None` for bytes as they are.
    pub(crate) fn token(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// Returns the ending that the page's build gives to a file in this coding.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }
}

/// Returns the codings that the client accepts, the preferred one first.
///
/// [`Coding::Identity`] comes last unless the client ranks it. It is sent even to a client that
/// forbids it, because a page is more useful to the client than an error.
pub(crate) fn preferred(headers: &HeaderMap) -> Vec<Coding> {
    let asked = AcceptedCodings::read(headers);
    let ranked = |coding, token| asked.quality(token).map(|quality| (coding, quality));
    let mut codings: Vec<(Coding, f32)> = [
        ranked(Coding::Brotli, "br"),
        ranked(Coding::Gzip, "gzip"),
        // Only by its own name: `*` is not meant to ask for the largest answer.
        asked
            .named("identity")
            .map(|quality| (Coding::Identity, quality)),
    ]
    .into_iter()
    .flatten()
    .filter(|(_, quality)| *quality > 0.0)
    .collect();
    // The sort is stable, so equals keep the order above.
    codings.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut order: Vec<Coding> = codings.into_iter().map(|(coding, _)| coding).collect();
    if !order.contains(&Coding::Identity) {
        order.push(Coding::Identity);
    }
    order
}

/// The codings that a request names, in lower case, each with its quality from 0 to 1.
struct AcceptedCodings(Vec<(String, f32)>);

impl AcceptedCodings {
    fn read(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT_ENCODING).into_iter();
        let items = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','));
        Self(items.filter_map(item).collect())
    }

    /// Returns the quality of this token, or of `*` if the request does not name the token.
    fn quality(&self, token: &str) -> Option<f32> {
        self.named(token).or_else(|| self.named("*"))
    }

    fn named(&self, token: &str) -> Option<f32> {
        let found = self.0.iter().find(|(name, _)| name == token);
        found.map(|(_, quality)| *quality)
    }
}

/// Parses `gzip;q=0.8`. Returns `None` if the quality is not a number from 0 to 1.
fn item(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let token = parts.next().filter(|token| !token.is_empty())?;
    // An old name of the same coding (RFC 9110 section 8.4.1.3).
    let token = match token.to_ascii_lowercase() {
        old if old == "x-gzip" => "gzip".to_owned(),
        token => token,
    };
    let mut quality = 1.0;
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("q") {
            quality = value.trim().parse().ok()?;
        }
    }
    (0.0..=1.0).contains(&quality).then_some((token, quality))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn order(lines: &[&str]) -> Vec<Coding> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        preferred(&headers)
    }

    #[test]
    fn the_smallest_accepted_coding_comes_first() {
        use Coding::{Brotli, Gzip, Identity};
        assert_eq!(order(&[]), [Identity]);
        assert_eq!(order(&[""]), [Identity]);
        assert_eq!(
            order(&["gzip, deflate, br, zstd"]),
            [Brotli, Gzip, Identity]
        );
        assert_eq!(order(&["gzip", "br"]), [Brotli, Gzip, Identity]);
        assert_eq!(order(&["X-GZIP"]), [Gzip, Identity]);
        assert_eq!(order(&["*"]), [Brotli, Gzip, Identity]);
        assert_eq!(order(&["deflate"]), [Identity]);
    }

    #[test]
    fn qualities_rank_and_forbid() {
        use Coding::{Brotli, Gzip, Identity};
        assert_eq!(order(&["br;q=0.5, gzip;q=0.8"]), [Gzip, Brotli, Identity]);
        assert_eq!(order(&["br;q=0, gzip"]), [Gzip, Identity]);
        assert_eq!(order(&["br;Q=0.000 , *;q=0.1"]), [Gzip, Identity]);
        assert_eq!(order(&["identity, br;q=0.5"]), [Identity, Brotli]);
        assert_eq!(order(&["identity;q=0, gzip;q=0.1"]), [Gzip, Identity]);
        assert_eq!(order(&["*;q=0"]), [Identity]);
    }

    #[test]
    fn a_quality_that_is_none_leaves_its_coding_out() {
        use Coding::{Gzip, Identity};
        for bad in ["br;q=2", "br;q=-1", "br;q=nan", "br;q=inf", "br;q=", ";q=1"] {
            assert_eq!(
                order(&[&format!("{bad}, gzip;q=0.2")]),
                [Gzip, Identity],
                "{bad}"
            );
        }
    }
}
