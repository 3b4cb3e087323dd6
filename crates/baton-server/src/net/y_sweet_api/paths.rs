//! The names of documents in the paths of y-sweet.
//!
//! y-sweet's clients put a name into a path as it is, and a browser encodes some of its letters. So
//! a name may have slashes here: it is what lies between the beginning and the end of the path.

use percent_encoding::percent_decode_str;

/// Request that a path below `/d/` makes, with the name of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DocumentPath {
    /// `/d/{name}/as-update`
    AsUpdate(String),
    /// `/d/{name}/update`
    Update(String),
    /// `/d/{name}/ws/{name}`
    Socket(String),
}

/// Reads a path below `/d/`. Returns `None` if it is none of y-sweet's, or if its two names differ.
pub(super) fn document_path(path: &str) -> Option<DocumentPath> {
    let rest = path.strip_prefix("/d/")?;
    if let Some(name) = rest.strip_suffix("/as-update") {
        return decoded(name).map(DocumentPath::AsUpdate);
    }
    if let Some(name) = rest.strip_suffix("/update") {
        return decoded(name).map(DocumentPath::Update);
    }
    // The client wrote the second name, and may have encoded it otherwise than the server did.
    let both = decoded(rest)?;
    let length = both.len().checked_sub("/ws/".len())? / 2;
    let (first, second) = both.split_at_checked(length)?;
    (second.strip_prefix("/ws/") == Some(first)).then(|| DocumentPath::Socket(first.to_owned()))
}

/// Reads `/doc/{name}/auth`.
pub(super) fn auth_path(path: &str) -> Option<String> {
    decoded(path.strip_prefix("/doc/")?.strip_suffix("/auth")?)
}

fn decoded(name: &str) -> Option<String> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    Some(name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_between_the_beginning_and_the_end_of_a_path() {
        let socket = |path: &str| match document_path(path) {
            Some(DocumentPath::Socket(name)) => Some(name),
            _ => None,
        };
        assert_eq!(socket("/d/notes/ws/notes").as_deref(), Some("notes"));
        assert_eq!(socket("/d/a/b/ws/a/b").as_deref(), Some("a/b"));
        assert_eq!(socket("/d/a/ws/ws/a/ws").as_deref(), Some("a/ws"));
        assert_eq!(
            socket("/d/caf%C3%A9%201/ws/café 1").as_deref(),
            Some("café 1")
        );
        for wrong in [
            "/d/a/ws/b",
            "/d/a/ws/",
            "/d/a/ws",
            "/d//ws",
            "/d/",
            "/x/a",
            "/d/é/ws/e",
        ] {
            assert_eq!(document_path(wrong), None, "{wrong}");
        }
        let name = |path: &str| match document_path(path) {
            Some(DocumentPath::AsUpdate(name) | DocumentPath::Update(name)) => Some(name),
            _ => None,
        };
        assert_eq!(name("/d/a/b/as-update").as_deref(), Some("a/b"));
        assert_eq!(name("/d/a%2Fb/update").as_deref(), Some("a/b"));
        assert_eq!(name("/d/%ff/update"), None);
        assert_eq!(auth_path("/doc/a/b/auth").as_deref(), Some("a/b"));
        assert_eq!(auth_path("/doc/auth/auth").as_deref(), Some("auth"));
        assert_eq!(auth_path("/doc/auth"), None);
    }
}
