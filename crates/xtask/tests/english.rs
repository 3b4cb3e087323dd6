//! The English of comments in product code: the part of the style rules that a machine can check.
//!
//! A comment names the actor and starts with a verb or a noun, in lines of at most 100 columns.

mod packages;
mod sources;

use sources::product_code;

/// Widest comment line, in columns.
const MAX_COLUMNS: usize = 100;

/// Words that no comment may begin with.
const NOT_FIRST: [&str; 6] = ["what", "who", "whether", "how", "when", "where"];

/// Words that no comment may contain: they hide the actor.
const NOT_AT_ALL: [&str; 4] = ["somebody", "nobody", "whoever", "whom"];

/// One line of a comment.
#[derive(Debug, PartialEq, Eq)]
struct CommentLine {
    /// Number of the line in the file, from 1.
    line: usize,
    /// Text after the comment mark.
    text: String,
    /// True if the line begins a comment, rather than going on with that of the line before.
    begins: bool,
    /// Width of the whole source line, in columns.
    columns: usize,
}

/// Position of the scanner in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    String,
    /// In a raw string that this many `#` close.
    RawString(usize),
    /// In a block comment, this many levels deep.
    Block(usize),
}

/// Returns the comment lines of a source text; strings that look like comments are none.
fn comment_lines(text: &str) -> Vec<CommentLine> {
    let mut found: Vec<CommentLine> = Vec::new();
    let mut place = Place::Code;
    for (index, line) in text.lines().enumerate() {
        let mut comment = matches!(place, Place::Block(_)).then_some(0);
        let mut own_line = true;
        let chars: Vec<char> = line.chars().collect();
        let starts = |at: usize, mark: &str| {
            mark.chars()
                .enumerate()
                .all(|(offset, c)| chars.get(at + offset) == Some(&c))
        };
        let hashes = |at: usize| chars.iter().skip(at).take_while(|c| **c == '#').count();
        let mut at = 0;
        while at < chars.len() {
            match place {
                Place::Code if starts(at, "//") => {
                    own_line = line.trim_start().starts_with("//");
                    comment = Some(at);
                    break;
                }
                Place::Code if starts(at, "/*") => {
                    comment = comment.or(Some(at));
                    place = Place::Block(1);
                    at += 2;
                }
                Place::Code if chars[at] == '"' => {
                    place = Place::String;
                    at += 1;
                }
                Place::Code if chars[at] == 'r' && starts(at + 1 + hashes(at + 1), "\"") => {
                    let count = hashes(at + 1);
                    place = Place::RawString(count);
                    at += 2 + count;
                }
                // The quote in a character, not that of a lifetime.
                Place::Code if starts(at, "'\"'") => at += 3,
                Place::Code if starts(at, "'\\") => at += 3,
                Place::String if chars[at] == '\\' => at += 2,
                Place::String if chars[at] == '"' => {
                    place = Place::Code;
                    at += 1;
                }
                Place::RawString(count) if chars[at] == '"' && hashes(at + 1) >= count => {
                    place = Place::Code;
                    at += 1 + count;
                }
                Place::Block(depth) if starts(at, "*/") => {
                    place = match depth {
                        1 => Place::Code,
                        _ => Place::Block(depth - 1),
                    };
                    at += 2;
                }
                Place::Block(depth) if starts(at, "/*") => {
                    place = Place::Block(depth + 1);
                    at += 2;
                }
                _ => at += 1,
            }
        }
        let Some(from) = comment else { continue };
        let text: String = chars[from..].iter().collect();
        let text = text.trim_start_matches(['/', '!', '*', ' ']).to_owned();
        let goes_on = found
            .last()
            .is_some_and(|before| before.line == index && own_line);
        found.push(CommentLine {
            line: index + 1,
            text,
            begins: !goes_on,
            columns: chars.len(),
        });
    }
    found
}

/// Returns the words of a text in lower case.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Returns what is wrong with the comments of a file, one line of text for each fault.
fn faults(text: &str) -> Vec<String> {
    // A test module may tell its stories as it likes.
    let product = text.find("#[cfg(test)]").unwrap_or(text.len());
    let mut faults = Vec::new();
    for comment in comment_lines(&text[..product]) {
        let line = comment.line;
        let first = words(&comment.text).next().unwrap_or_default();
        if comment.begins && NOT_FIRST.contains(&first.as_str()) {
            faults.push(format!("{line}: the comment begins with \"{first}\""));
        }
        for word in words(&comment.text).filter(|word| NOT_AT_ALL.contains(&word.as_str())) {
            faults.push(format!("{line}: \"{word}\" hides the actor"));
        }
        // A single long word, such as an address, cannot be wrapped.
        if comment.columns > MAX_COLUMNS && comment.text.contains(' ') {
            let columns = comment.columns;
            faults.push(format!("{line}: {columns} columns, at most {MAX_COLUMNS}"));
        }
    }
    faults
}

#[test]
fn comments_of_product_code_are_in_plain_technical_english() {
    let mut found = Vec::new();
    for package in packages::product() {
        for source in product_code(&package) {
            let path = &source.path;
            let faults = faults(&source.text).into_iter();
            found.extend(faults.map(|fault| format!("crates/{package}/src/{path}:{fault}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_comment_that_begins_with_a_question_word_is_seen() {
    let text = "/// Whether it is here.\nfn a() {} // who knows\n//! Returns it.\n\n// How\n";
    let faults = faults(text);
    assert_eq!(
        faults,
        [
            "1: the comment begins with \"whether\"",
            "2: the comment begins with \"who\"",
            "5: the comment begins with \"how\"",
        ]
    );
}

#[test]
fn a_question_word_inside_a_comment_is_fine() {
    let text = "/// Returns the time\n/// when it ends.\n///\n/// Who is here is listed.\n";
    assert_eq!(faults(text), Vec::<String>::new());
}

#[test]
fn a_word_that_hides_the_actor_is_seen_anywhere_in_a_comment() {
    let text =
        "/// Returns it.\n/// Then Nobody waits, whomever.\nlet nobody = 1;\n/* a\n whom */\n";
    assert_eq!(
        faults(text),
        [
            "2: \"nobody\" hides the actor",
            "5: \"whom\" hides the actor"
        ]
    );
}

#[test]
fn a_comment_line_that_is_too_wide_is_seen() {
    let wide = format!("// a{}", " a".repeat(49));
    assert_eq!(
        faults(&wide),
        ["1: 102 columns, at most 100".to_owned()],
        "{wide}"
    );
    let fits = format!("// {}", "aé".repeat(48));
    assert_eq!(faults(&fits), Vec::<String>::new());
    let address = format!("// https://{}", "a".repeat(100));
    assert_eq!(faults(&address), Vec::<String>::new());
}

#[test]
fn strings_and_test_modules_are_not_judged() {
    let text = concat!(
        "let a = \"// nobody\";\nlet b = r#\"\" // nobody\"#;\nlet c = '\"'; // fine\n",
        "let d = \"\\\" // nobody\";\n#[cfg(test)]\nmod tests { // nobody\n}\n"
    );
    assert_eq!(faults(text), Vec::<String>::new());
}
