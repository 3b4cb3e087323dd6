//! The user in an awareness state, as the server knows it, in place of what the client says.
//!
//! Editors show the member `user` of a state beside a cursor: `{"user": {"name", "color"}}`. A
//! stamp replaces the members of it that name a person, wherever they stand, and leaves all other
//! bytes as they came: reading numbers or escapes into values would change some of them. It builds
//! no value, does not recurse, and adds at most its own length for each member `user`.

/// User that stands in the states of one connection, whatever its client writes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStamp {
    /// Members of the object, each with its name: JSON texts.
    members: Vec<(&'static str, String)>,
    /// JSON text of the name, for a `user` that is no object.
    name: Option<String>,
}

impl UserStamp {
    /// A stamp that changes nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            members: Vec::new(),
            name: None,
        }
    }

    /// Sets the user's id and name.
    #[must_use]
    pub fn with_user(mut self, id: &str, name: &str) -> Self {
        self.members.push(("name", quoted(name)));
        self.members.push(("id", quoted(id)));
        self.name = Some(quoted(name));
        self
    }

    /// Sets the user's colour.
    #[must_use]
    pub fn with_color(mut self, color: &str) -> Self {
        self.members.push(("color", quoted(color)));
        self
    }

    /// States that the user may only read, as the member `readOnly`.
    #[must_use]
    pub fn with_read_only(mut self) -> Self {
        self.members.push(("readOnly", "true".to_owned()));
        self
    }

    /// Returns true if it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns a state with this user; `None` if the state names none. The state is well-formed
    /// JSON.
    pub(super) fn applied(&self, state: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut stamped = String::with_capacity(state.len() + 64);
        let mut from = 0;
        let mut found = false;
        for member in Members::of(state)? {
            if !member.is_named("user") {
                continue;
            }
            let value = &state[member.value.0..member.value.1];
            if let Some(new) = self.user(value) {
                stamped.push_str(&state[from..member.value.0]);
                stamped.push_str(&new);
                from = member.value.1;
                found = true;
            }
        }
        stamped.push_str(&state[from..]);
        found.then_some(stamped)
    }

    /// Returns the value of a member `user` with this user; `None` if it stays as it is.
    fn user(&self, value: &str) -> Option<String> {
        let Some(members) = Members::of(value) else {
            // `null` names no one.
            return self.name.clone().filter(|_| value != "null");
        };
        let is_replaced =
            |member: &Member<'_>| self.members.iter().any(|(name, _)| member.is_named(name));
        let kept = members.filter(|member| !is_replaced(member));
        let kept = kept.map(|member| value[member.key.0..member.value.1].to_owned());
        let own = self.members.iter();
        let own = own.map(|(name, text)| format!("\"{name}\":{text}"));
        let all: Vec<String> = kept.chain(own).collect();
        Some(format!("{{{}}}", all.join(",")))
    }
}

impl Default for UserStamp {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the JSON text of a string.
fn quoted(text: &str) -> String {
    // A string always has a JSON form. An empty result would show no name, never another one.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// One member of an object: where its key and its value stand in the text.
struct Member<'a> {
    text: &'a str,
    key: (usize, usize),
    value: (usize, usize),
}

impl Member<'_> {
    /// Compares the key as a reader of the JSON sees it: it may be written with escapes.
    fn is_named(&self, name: &str) -> bool {
        let key = &self.text[self.key.0..self.key.1];
        if !key.contains('\\') {
            return key[1..key.len() - 1] == *name;
        }
        serde_json::from_str::<String>(key).is_ok_and(|key| key == name)
    }
}

/// The members of a JSON object, in order. The text is well-formed.
struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Members<'a> {
    /// Returns `None` if the value is no object.
    fn of(text: &'a str) -> Option<Self> {
        let at = after_space(text, 0);
        (text.as_bytes().get(at) == Some(&b'{')).then_some(Self { text, at: at + 1 })
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let from = after_space(self.text, self.at);
        if self.text.as_bytes().get(from) != Some(&b'"') {
            return None;
        }
        let key = (from, after_value(self.text, from));
        let colon = after_space(self.text, key.1);
        let start = after_space(self.text, colon + 1);
        let value = (start, after_value(self.text, start));
        let end = after_space(self.text, value.1);
        let goes_on = self.text.as_bytes().get(end) == Some(&b',');
        self.at = if goes_on { end + 1 } else { self.text.len() };
        let text = self.text;
        Some(Member { text, key, value })
    }
}

/// Returns the position behind white space.
fn after_space(text: &str, from: usize) -> usize {
    let rest = text.as_bytes().iter().skip(from);
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    from + rest.take_while(space).count()
}

/// Returns the position behind the value that begins here.
fn after_value(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = after_string(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Returns the position behind the string that begins here.
fn after_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::json::is_json;

    fn ada() -> UserStamp {
        UserStamp::new().with_user("u1", "Ada \"A\"")
    }

    fn value(state: &str) -> Value {
        serde_json::from_str(state).unwrap()
    }

    #[test]
    fn the_name_of_the_token_stands_where_editors_look() {
        let state = r##"{"cursor":{"a":[1.50,-0,1e400]},"user":{"name":"Bob","color":"#fff","id":9,"x":1}}"##;
        let stamped = ada().applied(state).unwrap();
        assert_eq!(
            stamped,
            r##"{"cursor":{"a":[1.50,-0,1e400]},"user":{"color":"#fff","x":1,"name":"Ada \"A\"","id":"u1"}}"##
        );
        let stamp = ada().with_color("red").with_read_only();
        let stamped = stamp.applied(r#"{"user":{"color":"blue"}}"#).unwrap();
        let user = json!({"name": "Ada \"A\"", "id": "u1", "color": "red", "readOnly": true});
        assert_eq!(value(&stamped)["user"], user);
    }

    #[test]
    fn a_state_that_names_no_one_stays_as_it_is() {
        for state in [
            "{}",
            "[1]",
            "3",
            "\"user\"",
            r#"{"user":null}"#,
            r#"{"users":{"name":"Bob"}}"#,
            r#"{"a":{"user":{"name":"Bob"}}}"#,
            r#"["user",{"name":"Bob"}]"#,
        ] {
            assert_eq!(ada().applied(state), None, "{state}");
        }
        let state = r#"{"user":{"name":"Bob"}}"#;
        assert_eq!(UserStamp::new().applied(state), None);
    }

    /// Each of these once got a name past a stamp that looked for `"user":{"name":`.
    #[test]
    fn no_way_of_writing_gets_another_name_past_the_stamp() {
        for state in [
            r#"{"user":"Bob"}"#,
            r#"{"user":["Bob"]}"#,
            r#"{"user":{"name":"x"},"user":{"name":"Bob"}}"#,
            r#"{"\u0075ser":{"n\u0061me":"Bob"}}"#,
            r#"{"user":{"name":"x","name":"Bob","name":"Bob"}}"#,
            " {\n\"user\" :\t{ \"name\" : \"Bob\" } } ",
            r#"{"a":"\"user\":{","user":{"name":"Bob"}}"#,
            r#"{"a":"\\","user":{"name":"Bob"}}"#,
            r#"{"\ud800":1,"user":{"name":"Bob","\ud800":"}"}}"#,
            r#"{"user":{"name":{"name":"Bob"}}}"#,
            r#"{"user":{},"x":[]}"#,
        ] {
            let stamped = ada().applied(state).unwrap();
            assert!(is_json(&stamped, 128), "{stamped}");
            assert!(!stamped.contains("Bob"), "{stamped}");
            assert!(stamped.contains(r#"Ada \"A\""#), "{stamped}");
        }
    }

    #[test]
    fn it_takes_time_in_proportion_to_the_state() {
        let many = r#""user":{"name":"Bob"},"#.repeat(10_000);
        let state = format!("{{{many}\"x\":{}{}}}", "[".repeat(120), "]".repeat(120));
        let stamped = ada().applied(&state).unwrap();
        assert!(!stamped.contains("Bob"));
        assert!(stamped.len() < 3 * state.len());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC\"\\\\{}\\[\\],:]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let key = prop_oneof![
                Just("user".to_owned()),
                Just("name".to_owned()),
                "\\PC{0,4}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_but_the_user_changes(state in any_json(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&state)
            } else {
                serde_json::to_string(&state)
            }.unwrap();
            let names_one = state.get("user").is_some_and(|user| !user.is_null());
            let stamped = ada().applied(&text);
            prop_assert_eq!(stamped.is_some(), names_one);
            if let Some(stamped) = stamped {
                let mut wanted = state;
                if wanted["user"].is_object() {
                    wanted["user"]["name"] = json!("Ada \"A\"");
                    wanted["user"]["id"] = json!("u1");
                } else {
                    wanted["user"] = json!("Ada \"A\"");
                }
                prop_assert_eq!(value(&stamped), wanted);
            }
        }
    }
}
