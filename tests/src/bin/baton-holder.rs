//! Somebody in a process of their own who takes the lock of a document and types under it, for stories in which a holder's
//! process dies or freezes.
//!
//! `baton-holder ws://HOST:PORT/ws DOCUMENT NAME`, driven by `HolderProcess` of the harness. It says on its standard output
//! what happens to it, a line each:
//! - `granted EPOCH:POSITION new|kept`, `lost`, `parked N`
//! - `resting`: it types no more, and what it typed is saved
//! - `typed N`: so many words the client package took from it; word n is `<NAME n>`
//!
//! and takes orders on its standard input:
//! - `freeze`: makes one more edit and stops the whole process before that edit can be sent
//! - `rest`: types no more
//! - `count`: says `typed N`
//! - `exit`: ends the process, and says goodbye to nobody
//!
//! It ends with its input, and with whoever started it.
#![allow(clippy::print_stdout, reason = "its output is what it is there for")]

use std::error::Error;
use std::time::Duration;

use baton_client::yrs::{Text, WriteTxn};
use baton_client::{Client, ClientEvent, ClientOptions, DivergencePolicy};
use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

/// Between two words.
const PACE: Duration = Duration::from_millis(50);

// One thread: what an order does, no other task can come between.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A frozen process would not see the end of its input.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(document), Some(name), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("usage: baton-holder ws://HOST:PORT/ws DOCUMENT NAME".into());
    };
    let mut options = ClientOptions::new(url, document);
    options.user.name.clone_from(&name);
    // It only ever shows what became of this one copy.
    options.divergence = DivergencePolicy::Stop;
    let client = Client::connect(options)?;
    let mut events = client.events();
    client.synced().await?;
    client.acquire().await?;
    let mut writer = Writer {
        client,
        name,
        typed: 0,
    };
    let mut orders = BufReader::new(stdin()).lines();
    let mut pace = interval(PACE);
    let (mut resting, mut to_freeze) = (false, false);
    // After a freeze, one word and no burst.
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            order = orders.next_line() => match order?.as_deref() {
                Some("rest") => {
                    resting = true;
                    writer.client.saved().await?;
                    println!("resting");
                }
                Some("freeze") => to_freeze = true,
                Some("count") => println!("typed {}", writer.typed),
                Some(_) | None => return Ok(()),
            },
            event = events.recv() => match event {
                Ok(event) => tell(&event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            _ = pace.tick(), if !resting => if writer.types() && std::mem::take(&mut to_freeze) {
                kill_process(getpid(), Signal::STOP)?;
            },
        }
    }
}

struct Writer {
    client: Client,
    name: String,
    typed: usize,
}

impl Writer {
    /// Types a word, if it holds the lock and the client lets it. Returns whether it did.
    fn types(&mut self) -> bool {
        if self.client.grant().is_none() {
            return false;
        }
        let word = format!("<{} {}>", self.name, self.typed);
        let edit = self.client.edit(|txn| {
            let text = txn.get_or_insert_text("t");
            text.push(txn, &word);
        });
        // Where the lease has run out, it has to wait.
        self.typed += usize::from(edit.is_ok());
        edit.is_ok()
    }
}

fn tell(event: &ClientEvent) {
    match event {
        ClientEvent::Granted { fence, kept, .. } => {
            let how = if *kept { "kept" } else { "new" };
            println!("granted {}:{} {how}", fence.epoch, fence.position);
        }
        ClientEvent::Lost { .. } => println!("lost"),
        ClientEvent::Parked { id, .. } => println!("parked {id}"),
        _ => {}
    }
}
