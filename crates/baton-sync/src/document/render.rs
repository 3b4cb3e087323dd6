//! A root type as text.
//!
//! Owns how content looks to a person: a text as itself with its formats in brackets, XML with its
//! tags, a map as `key: value` lines in the order of the keys, an array as one line for each element.
//! It reads from yrs and never edits. A root type that is known only from updates has no kind, so
//! what is in it decides how it is written; hostile content may be a mixture, and is written as such.
//!
//! It writes at most [`WRITTEN`] bytes, and nests at most [`DEPTH`] deep.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};

use yrs::branch::{Branch, BranchPtr};
use yrs::types::text::{Diff, YChange};
use yrs::types::{Attrs, TypeRef};
use yrs::{Any, Array, ArrayRef, Map, MapRef, Number, Out, ReadTxn, Text, TextRef};

/// The most that is written of one root type, in bytes.
const WRITTEN: usize = 16 * 1024 * 1024;

/// How deep types and values are followed into one another; what is deeper is "…".
const DEPTH: usize = 48;

/// How many levels are indented.
const INDENTED: usize = 8;

/// A root type, written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rendering {
    /// What is in it.
    pub(crate) text: String,
    /// Whether its lines are to be compared, as those of a map or an array; else its words.
    pub(crate) lines: bool,
    /// Whether something of it was not written.
    pub(crate) cut: bool,
}

/// Writes a root type; nothing if it does not exist.
pub(crate) fn render<T: ReadTxn>(txn: &T, root: &str) -> Rendering {
    let mut writer = Writer {
        txn,
        rendering: Rendering::default(),
    };
    let root = txn.get(root);
    if let Some(branch) = root.as_ref().and_then(Out::try_branch) {
        // On the error `Cut`, the rendering says so itself.
        let _written = writer.root(branch);
    }
    writer.rendering
}

/// Enough was written.
struct Cut;

struct Writer<'t, T> {
    txn: &'t T,
    rendering: Rendering,
}

/// What is in a type, apart from the entries of a map.
enum Sequence {
    Empty,
    /// Characters, with other things between them.
    Text(Vec<Diff<YChange>>),
    /// Elements.
    Elements(ArrayRef),
}

impl<T: ReadTxn> Writer<'_, T> {
    fn root(&mut self, branch: &Branch) -> Result<(), Cut> {
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

    /// Each entry of a map on a line of its own.
    fn entries(&mut self, branch: &Branch, depth: usize) -> Result<(), Cut> {
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

    /// Each element of an array on a line of its own.
    fn elements(&mut self, array: &ArrayRef, depth: usize) -> Result<(), Cut> {
        for value in array.iter(self.txn) {
            self.indent(depth)?;
            self.write("-")?;
            self.line_value(&value, depth)?;
        }
        Ok(())
    }

    /// A value behind a key or a dash, up to the end of its line or lines.
    fn line_value(&mut self, value: &Out, depth: usize) -> Result<(), Cut> {
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

    /// A map, an array, or whatever else a type without a kind has in it.
    fn block(&mut self, branch: &Branch, depth: usize) -> Result<(), Cut> {
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

    /// A value where it stands.
    fn inline(&mut self, value: &Out, depth: usize) -> Result<(), Cut> {
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

    fn inline_type(&mut self, value: &Out, branch: &Branch, depth: usize) -> Result<(), Cut> {
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

    /// The nodes of an XML fragment or element.
    fn children(&mut self, array: &ArrayRef, depth: usize) -> Result<(), Cut> {
        for child in array.iter(self.txn) {
            self.inline(&child, depth + 1)?;
        }
        Ok(())
    }

    /// Characters as they are. Where the formats change, those that hold from there on are named.
    fn text(&mut self, branch: &Branch, chunks: &[Diff<YChange>], depth: usize) -> Result<(), Cut> {
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
        // Values between characters, which no editor shows, and nobody may smuggle in unseen.
        match u64::from(branch.content_len()).checked_sub(units) {
            Some(hidden) if hidden > 0 => {
                self.rendering.cut = true;
                self.write(&format!("⟨{hidden} elements that are no text⟩"))
            }
            _ => Ok(()),
        }
    }

    fn formats(&mut self, formats: &BTreeMap<&str, &Any>, depth: usize) -> Result<(), Cut> {
        self.write("⟦")?;
        for (index, (key, value)) in formats.iter().enumerate() {
            self.write(if index == 0 { "" } else { ", " })?;
            self.write(key)?;
            self.write(": ")?;
            self.any(value, depth + 1)?;
        }
        self.write("⟧")
    }

    /// Like JSON, with the keys in order; a byte array by its length and a checksum.
    fn any(&mut self, any: &Any, depth: usize) -> Result<(), Cut> {
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

    /// In quotes, on one line.
    fn quoted(&mut self, text: &str) -> Result<(), Cut> {
        self.write("\"")?;
        for (index, line) in text.split('\n').enumerate() {
            self.write(if index == 0 { "" } else { "\\n" })?;
            self.write(line)?;
        }
        self.write("\"")
    }

    fn indent(&mut self, depth: usize) -> Result<(), Cut> {
        self.write(&"  ".repeat(depth.min(INDENTED)))
    }

    fn too_deep(&mut self) -> Result<(), Cut> {
        self.rendering.cut = true;
        self.write("…\n")
    }

    fn write(&mut self, text: &str) -> Result<(), Cut> {
        let written = &mut self.rendering.text;
        if written.len() + text.len() > WRITTEN {
            self.rendering.cut = true;
            let fits = text.floor_char_boundary(WRITTEN - written.len());
            written.push_str(&text[..fits]);
            return Err(Cut);
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

/// What is in a type. Its elements are read as those of an array only if there are no characters
/// among them: yrs counts those in another unit than it reads them in.
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
