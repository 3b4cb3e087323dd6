//! Notes on several machines without a server: each machine keeps a copy in a file, and copies that
//! are connected are kept in step.
//!
//! `notes mine listen 127.0.0.1:7001` here and `notes hers connect 127.0.0.1:7001` there. A line
//! that is typed is added; each new line of the notes is printed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::spawn;

use baton_sync::yrs::{GetString, ReadTxn, Text, WriteTxn};
use baton_sync::{Broken, Document, DocumentOptions, LineId, SyncPeer, SyncPeerOutput};

/// Longest frame that is read, in bytes.
const MAX_FRAME: u32 = 16 << 20;

enum News {
    Typed(String),
    Connected(TcpStream),
    Frame(LineId, Vec<u8>),
    Disconnected(LineId),
}

fn read_frame(mut line: impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    line.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length as usize];
    line.read_exact(&mut frame)?;
    Ok(frame)
}

fn write_frame(mut line: impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| ErrorKind::InvalidData)?;
    line.write_all(&[&length.to_be_bytes()[..], frame].concat())
}

fn listen(line: TcpStream, id: LineId, tell: Sender<News>) {
    spawn(move || {
        while let Ok(frame) = read_frame(&line) {
            tell.send(News::Frame(id, frame))?;
        }
        tell.send(News::Disconnected(id))
    });
}

fn load(file: &str) -> Result<Document, Box<dyn Error>> {
    let options = DocumentOptions::default();
    match fs::read(file) {
        Ok(snapshot) => Ok(Document::load(&snapshot, &options)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Document::new(&options)),
        Err(error) => Err(error.into()),
    }
}

fn save(file: &str, document: &Document) -> Result<(), Box<dyn Error>> {
    let new = format!("{file}.new");
    fs::write(&new, document.snapshot()?)?;
    Ok(fs::rename(new, file)?)
}

fn text(document: &Document) -> Result<String, Broken> {
    let text = document.read(|txn| txn.get_text("notes").map(|notes| notes.get_string(txn)))?;
    Ok(text.unwrap_or_default())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [file, how, address] = arguments.as_slice() else {
        return Err("usage: notes FILE listen|connect ADDRESS".into());
    };
    let (tell, told) = channel();
    if how == "listen" {
        let listener = TcpListener::bind(address)?;
        println!("listening on {}", listener.local_addr()?);
        let tell = tell.clone();
        let mut came = move |line| tell.send(News::Connected(line));
        spawn(move || listener.incoming().flatten().try_for_each(&mut came));
    } else {
        tell.send(News::Connected(TcpStream::connect(address)?))?;
    }
    let typed = tell.clone();
    spawn(move || {
        let mut lines = io::stdin().lines().map_while(Result::ok);
        lines.try_for_each(|line| typed.send(News::Typed(line)))
    });

    let mut peer = SyncPeer::new(load(file)?);
    let mut lines = BTreeMap::new();
    let mut shown = String::new();
    loop {
        let now = text(peer.document())?;
        for line in now
            .lines()
            .filter(|line| !shown.lines().any(|old| old == *line))
        {
            println!("{line}");
        }
        shown = now;
        match told.recv()? {
            News::Typed(line) => {
                peer.edit(|txn| {
                    txn.get_or_insert_text("notes")
                        .push(txn, &format!("{line}\n"))
                })?;
            }
            News::Connected(line) => {
                let id = peer.open_line();
                listen(line.try_clone()?, id, tell.clone());
                lines.insert(id, line);
            }
            News::Frame(id, frame) => {
                if let Err(error) = peer.receive(id, &frame) {
                    eprintln!("disconnected: {error}");
                    peer.close_line(id);
                    lines.remove(&id);
                }
            }
            News::Disconnected(id) => {
                peer.close_line(id);
                lines.remove(&id);
            }
        }
        while let Some(output) = peer.next_output() {
            match output {
                SyncPeerOutput::Send { to, frame } => {
                    // The thread that reads a broken line says so.
                    let _ = lines.get(&to).map(|line| write_frame(line, &frame));
                }
                SyncPeerOutput::Changed { .. } => save(file, peer.document())?,
                _ => {}
            }
        }
    }
}
