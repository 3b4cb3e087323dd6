//! The scenes of a round: churn, storms, handoffs, stalled readers, black holes.
//!
//! Owns the scenes. Each begins and ends without clients. What they write is the same in each
//! round, or little, so that what is stored does not grow by itself.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use baton_load::edits::Typed;
use baton_sync::control_channel::{ClientMessage, Outcome};
use baton_sync::lib0::{write_var_string, write_var_uint};
use baton_sync::y_websocket::{self, Message};
use baton_testkit::websocket::{self, Frame, Reader, Writer};
use baton_testkit::{Direction, Proxy};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::arrivals::{Arrivals, Closed};
use crate::member::Member;

/// The amount of work in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Documents that are opened, written into and left.
    pub churn: usize,
    /// Clients that come at once in a storm.
    pub storm: usize,
    /// Waves of a storm.
    pub waves: usize,
    /// Handoffs of one lock.
    pub handoffs: usize,
    /// Frames of 16 KiB that stalled readers do not read.
    pub flood: usize,
}

impl Size {
    /// Of a round of about twenty seconds.
    pub const WHOLE: Self = Self {
        churn: 400,
        storm: 300,
        waves: 4,
        handoffs: 200,
        flood: 1_500,
    };
    /// Of one of about three.
    pub const SHORT: Self = Self {
        churn: 60,
        storm: 40,
        waves: 2,
        handoffs: 20,
        flood: 200,
    };
}

/// The scenes of a round, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// Documents are opened, written into and left.
    Churn,
    /// Many come at once, and are gone at once, without a word.
    Storm,
    /// A lock goes round; its holders are killed as well.
    Handoffs,
    /// Some do not read what they are sent.
    Stalled,
    /// A network that swallows everything, and clients that never finish what they begin.
    BlackHoles,
}

impl Scene {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Churn,
        Self::Storm,
        Self::Handoffs,
        Self::Stalled,
        Self::BlackHoles,
    ];

    /// Plays it against this server.
    ///
    /// # Errors
    /// The server did not do what it should: it is no leak, but an end.
    pub async fn plays(
        self,
        address: SocketAddr,
        size: Size,
        arrivals: &Arrivals,
    ) -> io::Result<()> {
        match self {
            Self::Churn => churn(address, size, arrivals).await,
            Self::Storm => storm(address, size, arrivals).await,
            Self::Handoffs => handoffs(address, size, arrivals).await,
            Self::Stalled => stalled(address, size, arrivals).await,
            Self::BlackHoles => black_holes(address, arrivals).await,
        }
    }
}

/// Comes as a stock client, says what it has, and has what there is.
async fn syncs(
    address: SocketAddr,
    document: &str,
    edits: &[Bytes],
) -> io::Result<(Reader, Writer)> {
    let (mut reader, mut writer) =
        websocket::connect(address, &format!("/ws/{document}"), None).await?;
    writer.queue(&y_websocket::step1_bytes(&[0]));
    for edit in edits {
        writer.queue(edit);
    }
    writer.flush().await?;
    loop {
        match reader.next().await? {
            Frame::Binary(frame) => {
                if let Ok(Message::Step2(_)) = y_websocket::decode(&frame) {
                    return Ok((reader, writer));
                }
            }
            Frame::Ping(payload) => writer.pong(&payload).await?,
            Frame::Close(code) => return Err(Closed(code).into()),
            Frame::Other => {}
        }
    }
}

async fn churn(address: SocketAddr, size: Size, arrivals: &Arrivals) -> io::Result<()> {
    let typed = Typed {
        client: 7,
        length: 10,
    };
    let edits: Vec<Bytes> = (0..20)
        .map(|edit| y_websocket::update(&typed.update(edit)))
        .collect();
    let visits = (0..size.churn).map(|number| {
        let edits = &edits;
        async move {
            let document = format!("churn-{number}");
            let visit = || syncs(address, &document, edits);
            let (_reader, mut writer) = arrivals.until_served(number, visit).await?;
            // Every second one says goodbye.
            if number % 2 == 0 {
                writer.close().await?;
            }
            io::Result::Ok(())
        }
    });
    let visits: Vec<_> = stream::iter(visits).buffer_unordered(32).collect().await;
    visits.into_iter().collect()
}

async fn storm(address: SocketAddr, size: Size, arrivals: &Arrivals) -> io::Result<()> {
    for _ in 0..size.waves {
        let coming = (0..size.storm).map(|number| async move {
            if number % 3 == 0 {
                let visit = || Member::joins(address, "storm");
                let member = arrivals.until_served(number, visit).await?;
                return io::Result::Ok((Some(member), None));
            }
            let visit = || syncs(address, "storm", &[]);
            let stock = arrivals.until_served(number, visit).await?;
            Ok((None, Some(stock)))
        });
        let here: io::Result<Vec<_>> = join_all(coming).await.into_iter().collect();
        // All of them are gone without a word.
        drop(here?);
    }
    Ok(())
}

async fn handoffs(address: SocketAddr, size: Size, arrivals: &Arrivals) -> io::Result<()> {
    let joins = || Member::joins(address, "relay");
    let mut holder = arrivals.until_served(0, joins).await?;
    let mut fence = holder.takes(Vec::new()).await?;
    for handoff in 0..size.handoffs {
        let mut next = arrivals.until_served(handoff, joins).await?;
        if next.acquires(Vec::new()).await? != Outcome::Queued {
            return Err(io::Error::other("a held lock is not waited for"));
        }
        match handoff % 4 {
            // Its connection is gone.
            0 => drop(holder),
            // It leaves.
            1 => holder.leaves().await?,
            _ => {
                holder
                    .says(&ClientMessage::Release { nonce: 2, fence })
                    .await?;
                drop(holder);
            }
        }
        let granted = timeout(Duration::from_secs(20), next.is_granted()).await;
        fence = granted.map_err(|_| io::Error::other("a lock was not passed on"))??;
        holder = next;
    }
    Ok(())
}

async fn stalled(address: SocketAddr, size: Size, arrivals: &Arrivals) -> io::Result<()> {
    let mut readers = Vec::new();
    let visit = || syncs(address, "stalled", &[]);
    for number in 0..5 {
        readers.push(arrivals.until_served(number, visit).await?);
    }
    let (mut witness, mut answers) = arrivals.until_served(5, visit).await?;
    let (_echo, mut writer) = arrivals.until_served(6, visit).await?;
    let reading = async {
        loop {
            match witness.next().await? {
                Frame::Ping(payload) => answers.pong(&payload).await?,
                Frame::Close(code) => return Err(Closed(code).into()),
                _ => {}
            }
        }
    };
    let writing = async {
        for clock in 1..=size.flood {
            writer.queue(&y_websocket::awareness(&long_state(clock as u64)));
            writer.flush().await?;
            sleep(Duration::from_millis(2)).await;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        ended = reading => ended,
        written = writing => written,
    }
}

/// An awareness payload of 16 KiB, which is stored nowhere.
fn long_state(clock: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    write_var_uint(&mut payload, 1);
    write_var_uint(&mut payload, 4711);
    write_var_uint(&mut payload, clock);
    write_var_string(
        &mut payload,
        &format!("{{\"x\":\"{}\"}}", "x".repeat(16 << 10)),
    );
    payload
}

async fn black_holes(address: SocketAddr, arrivals: &Arrivals) -> io::Result<()> {
    let proxy = Proxy::to(address).await?;
    let mut lost = Vec::new();
    for number in 0..5 {
        for way in [proxy.address(), address] {
            let joins = || Member::joins(way, "holes");
            lost.push(arrivals.until_served(number, joins).await?);
        }
    }
    proxy.hold(Direction::Both);
    // Handshakes that never end, and requests that are none.
    let mut open = Vec::new();
    for part in [
        "",
        "GET /ws/holes HTTP/1.1\r\nHost: x\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(part.as_bytes()).await?;
        open.push(stream);
    }
    // Longer than anybody is waited for who says nothing.
    sleep(Duration::from_secs(3)).await;
    Ok(())
}
