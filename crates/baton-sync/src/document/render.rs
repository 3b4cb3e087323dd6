//! Root types as text, for people.
//!
//! Owns the form of the text: a text as it is with its formats in brackets, XML with its tags, a
//! map as `key: value` lines in the order of the keys, an array as one line for each element. It
//! reads from yrs and never edits. A root type that is known only from updates has no kind, so its
//! content decides. Hostile content may be a mixture, and is written as one.
//!
//! It writes at most [`WRITTEN`] bytes, and follows types at most [`DEPTH`] deep.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use yrs::branch::{Branch, BranchPtr};
use yrs::types::text::{Diff, YChange};
use yrs::types::{Attrs, TypeRef};
use yrs::{Any, Array, ArrayRef, Map, MapRef, Number, Out, ReadTxn, Text, TextRef};

/// Longest text of one root type, in bytes.
const WRITTEN: usize = 16 * 1024 * 1024;

/// Deepest nesting of types and values that is followed; deeper content is "…".
const DEPTH: usize = 48;

/// Number of levels that are indented.
const INDENTED: usize = 8;

/// A root type as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rendering {
    /// The text.
    pub(crate) text: String,
    /// True if its lines are to be compared, as those of a map or an array; otherwise its words
    /// are.
    pub(crate) lines: bool,
    /// True if a part of it was not written.
    pub(crate) truncated: bool,
}

/// Writes a root type; an empty text if it does not exist.
pub(crate) fn render<T: ReadTxn>(txn: &T, root: &str) -> Rendering {
    let mut writer = Writer {
        txn,
        rendering: Rendering::default(),
    };
    let root = txn.get(root);
    if let Some(branch) = root.as_ref().and_then(Out::try_branch) {
        // After the error `Full`, the rendering is marked as truncated.
        let _written = writer.root(branch);
    }
    writer.rendering
}

/// The longest text is reached.
struct Full;

struct Writer<'t, T> {
    txn: &'t T,
    rendering: Rendering,
}

/// Content of a type, apart from the entries of a map.
enum Sequence {
    Empty,
    /// Characters, with other elements between them.
    Text(Vec<Diff<YChange>>),
    /// Elements.
    Elements(ArrayRef),
}

impl<T: ReadTxn> Writer<'_, T> {
    fn root(&mut self, branch: &Branch) -> Result<(), Full> {
        let sequence = sequence(branch, self.txn);
        let is_xml = |out: &Out| {
            matches!(
                out,
                Out::YXmlElement(_) | Out::YXmlText(_) | Out::YXmlFragment(_)
            )
        };
        self.rendering.lines = match &sequence {
            Sequence::Text(_) => false,
            Sequence::Empty => true,
            Sequence::Elements(array) => !array.iter(self.txn).any(|out| is_xml(&out)),
        };
        self.entries(branch, 0)?;
        match sequence {
            Sequence::Empty => Ok(()),
            Sequence::Text(chunks) => self.text(branch, &chunks, 0),
            Sequence::Elements(array) if self.rendering.lines => self.elements(&array, 0),
            Sequence::Elements(array) => self.children(&array, 0),
        }
    }

    /// Writes each entry of a map on a line of its own.
    fn entries(&mut self, branch: &Branch, depth: usize) -> Result<(), Full> {
        for (key, value) in self.sorted_entries(branch) {
            self.indent(depth)?;
            self.write(&key)?;
            self.write(":")?;
            self.line_value(&value, depth)?;
        }
        Ok(())
    }

    fn sorted_entries(&self, branch: &Branch) -> BTreeMap<String, Out> {
        let map = MapRef::from(BranchPtr::from(branch));
        let entries = map.iter(self.txn);
        entries
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    /// Writes each element of an array on a line of its own.
    fn elements(&mut self, array: &ArrayRef, depth: usize) -> Result<(), Full> {
        for value in array.iter(self.txn) {
            self.indent(depth)?;
            self.write("-")?;
            self.line_value(&value, depth)?;
        }
        Ok(())
    }

    /// Writes a value behind a key or a dash, up to the end of its line or lines.
    fn line_value(&mut self, value: &Out, depth: usize) -> Result<(), Full> {
        match value.try_branch() {
            Some(branch) if !is_xml_or_text(value) => {
                self.write("\n")?;
                self.block(branch, depth + 1)
            }
            _ => {
                self.write(" ")?;
                self.inline(value, depth)?;
                self.write("\n")
            }
        }
    }

    /// Writes a map, an array, or the content of a type without a kind.
    fn block(&mut self, branch: &Branch, depth: usize) -> Result<(), Full> {
        if depth >= DEPTH {
            return self.too_deep();
        }
        self.entries(branch, depth)?;
        match sequence(branch, self.txn) {
            Sequence::Empty => Ok(()),
            Sequence::Text(chunks) => {
                self.indent(depth)?;
                self.text(branch, &chunks, depth)?;
                self.write("\n")
            }
            Sequence::Elements(array) => self.elements(&array, depth),
        }
    }

    /// Writes a value within a line.
    fn inline(&mut self, value: &Out, depth: usize) -> Result<(), Full> {
        if depth >= DEPTH {
            return self.too_deep();
        }
        match value {
            Out::Any(any) => self.any(any, depth),
            Out::YDoc(doc) => {
                let guid = doc.guid();
                self.write("⟨document ")?;
                self.quoted(&guid)?;
                self.write("⟩")
            }
            other => match other.try_branch() {
                Some(branch) => self.inline_type(other, branch, depth),
                None => Ok(()),
            },
        }
    }

    fn inline_type(&mut self, value: &Out, branch: &Branch, depth: usize) -> Result<(), Full> {
        let tag = match branch.type_ref() {
            TypeRef::XmlElement(tag) => Some(tag.clone()),
            _ => None,
        };
        if tag.is_none() && !is_xml_or_text(value) {
            self.write("\n")?;
            return self.block(branch, depth + 1);
        }
        if let Some(tag) = &tag {
            self.write("<")?;
            self.write(tag)?;
        }
        for (key, value) in self.sorted_entries(branch) {
            self.write(" ")?;
            self.write(&key)?;
            self.write("=")?;
            self.inline(&value, depth + 1)?;
        }
        if tag.is_some() {
            self.write(">")?;
        }
        match sequence(branch, self.txn) {
            Sequence::Empty => {}
            Sequence::Text(chunks) => self.text(branch, &chunks, depth)?,
            Sequence::Elements(array) => self.children(&array, depth)?,
        }
        match tag {
            Some(tag) => {
                self.write("</")?;
                self.write(&tag)?;
                self.write(">\n")
            }
            None => Ok(()),
        }
    }

    /// Writes the nodes of an XML fragment or element.
    fn children(&mut self, array: &ArrayRef, depth: usize) -> Result<(), Full> {
        for child in array.iter(self.txn) {
            self.inline(&child, depth + 1)?;
        }
        Ok(())
    }

    /// Writes characters as they are, and the new formats at each place where the formats change.
    fn text(
        &mut self,
        branch: &Branch,
        chunks: &[Diff<YChange>],
        depth: usize,
    ) -> Result<(), Full> {
        let mut formats = BTreeMap::new();
        let mut units = 0_u64;
        for chunk in chunks {
            let now = sorted(chunk.attributes.as_deref());
            if now != formats {
                self.formats(&now, depth)?;
                formats = now;
            }
            match &chunk.insert {
                Out::Any(Any::String(text)) => {
                    units += text.encode_utf16().count() as u64;
                    self.write(text)?;
                }
                other => {
                    units += 1;
                    self.inline(other, depth + 1)?;
                }
            }
        }
        if !formats.is_empty() {
            self.write("⟦⟧")?;
        }
        // Values between characters are shown by no editor. They must not come in unseen.
        match u64::from(branch.content_len()).checked_sub(units) {
            Some(hidden) if hidden > 0 => {
                self.rendering.truncated = true;
                self.write(&format!("⟨{hidden} elements that are no text⟩"))
            }
            _ => Ok(()),
        }
    }

    fn formats(&mut self, formats: &BTreeMap<&str, &Any>, depth: usize) -> Result<(), Full> {
        self.write("⟦")?;
        for (index, (key, value)) in formats.iter().enumerate() {
            self.write(if index == 0 { "" } else { ", " })?;
            self.write(key)?;
            self.write(": ")?;
            self.any(value, depth + 1)?;
        }
        self.write("⟧")
    }

    /// Writes a value like JSON, with the keys in order; a byte array by its length and a checksum.
    fn any(&mut self, any: &Any, depth: usize) -> Result<(), Full> {
        if depth >= DEPTH {
            return self.too_deep();
        }
        match any {
            Any::Null => self.write("null"),
            Any::Undefined => self.write("undefined"),
            Any::Bool(true) => self.write("true"),
            Any::Bool(false) => self.write("false"),
            Any::Number(Number::Int(number)) => self.write(&number.to_string()),
            Any::Number(Number::Float(number)) => self.write(&number.to_string()),
            Any::String(text) => self.quoted(text),
            Any::Buffer(bytes) => {
                let mut hasher = DefaultHasher::new();
                hasher.write(bytes);
                let sum = hasher.finish();
                self.write(&format!("⟨{} bytes, {sum:016x}⟩", bytes.len()))
            }
            Any::Array(values) => {
                self.write("[")?;
                for (index, value) in values.iter().enumerate() {
                    self.write(if index == 0 { "" } else { ", " })?;
                    self.any(value, depth + 1)?;
                }
                self.write("]")
            }
            Any::Map(entries) => {
                let entries: BTreeMap<_, _> = entries.iter().collect();
                self.write("{")?;
                for (index, (key, value)) in entries.into_iter().enumerate() {
                    self.write(if index == 0 { "" } else { ", " })?;
                    self.write(key)?;
                    self.write(": ")?;
                    self.any(value, depth + 1)?;
                }
                self.write("}")
            }
        }
    }

    /// Writes a text in quotes, on one line.
    fn quoted(&mut self, text: &str) -> Result<(), Full> {
        self.write("\"")?;
        for (index, line) in text.split('\n').enumerate() {
            self.write(if index == 0 { "" } else { "\\n" })?;
            self.write(line)?;
        }
        self.write("\"")
    }

    fn indent(&mut self, depth: usize) -> Result<(), Full> {
        self.write(&"  ".repeat(depth.min(INDENTED)))
    }

    fn too_deep(&mut self) -> Result<(), Full> {
        self.rendering.truncated = true;
        self.write("…\n")
    }

    fn write(&mut self, text: &str) -> Result<(), Full> {
        let written = &mut self.rendering.text;
        if written.len() + text.len() > WRITTEN {
            self.rendering.truncated = true;
            let fits = text.floor_char_boundary(WRITTEN - written.len());
            written.push_str(&text[..fits]);
            return Err(Full);
        }
        written.push_str(text);
        Ok(())
    }
}

fn is_xml_or_text(value: &Out) -> bool {
    matches!(
        value,
        Out::YText(_) | Out::YXmlText(_) | Out::YXmlElement(_) | Out::YXmlFragment(_)
    )
}

fn sorted(attributes: Option<&Attrs>) -> BTreeMap<&str, &Any> {
    let attributes = attributes.into_iter().flatten();
    attributes.map(|(key, value)| (&**key, value)).collect()
}

/// Returns the content of a type. Its elements are read as those of an array only if there are no
/// characters among them, for which yrs counts in another unit than it reads in.
fn sequence<T: ReadTxn>(branch: &Branch, txn: &T) -> Sequence {
    if branch.content_len() == 0 {
        return Sequence::Empty;
    }
    let pointer = BranchPtr::from(branch);
    let chunks = TextRef::from(pointer).diff(txn, YChange::identity);
    let is_text = |chunk: &Diff<YChange>| {
        matches!(chunk.insert, Out::Any(Any::String(_))) || chunk.attributes.is_some()
    };
    if chunks.iter().any(is_text) {
        Sequence::Text(chunks)
    } else {
        Sequence::Elements(ArrayRef::from(pointer))
    }
}
