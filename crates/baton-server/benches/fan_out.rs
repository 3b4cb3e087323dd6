//! Measures the fan-out of one edit to a thousand clients over sockets: from sending it until the
//! last client has read it. Run with `cargo bench -p baton-server --bench fan_out`.
#![allow(clippy::unwrap_used, reason = "a failure is to stop the run")]

use std::time::Duration;

use baton_load::edits::{Typed, stretches};
use baton_load::target::Client;
use baton_load::{Dialect, Target};
use baton_log::{Log, LogOptions};
use baton_server::{Server, Settings};
use baton_testkit::websocket::Frame;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const DIALECT: Dialect = Dialect::YWebsocket;

/// A document with one client that types and others that read.
struct Audience {
    runtime: Runtime,
    _server: Server,
    author: Client,
    readers: Vec<Client>,
    edits: u32,
}

impl Audience {
    fn of(readers: usize) -> Self {
        let runtime = Runtime::new().unwrap();
        let (server, author, readers) = runtime.block_on(async {
            let log = Log::in_memory(LogOptions::default()).unwrap();
            let mut settings = Settings::default();
            settings.max_messages_per_second = u32::MAX;
            let server = Server::new(settings, log).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target::new(listener.local_addr().unwrap(), DIALECT);
            tokio::spawn({
                let server = server.clone();
                async move { server.listen(listener).await }
            });
            let (author, _) = target.join("d").await.unwrap();
            let names = (0..readers).map(|_| "d".to_owned());
            (server, author, target.join_all(names).await.unwrap())
        });
        Self {
            runtime,
            _server: server,
            author,
            readers,
            edits: 0,
        }
    }

    /// Sends one edit and reads until every client has it.
    fn edit(&mut self) {
        let typed = Typed {
            client: 7,
            length: 1,
        };
        let (edit, author, readers) = (self.edits, &mut self.author, &mut self.readers);
        self.edits += 1;
        self.runtime.block_on(async {
            author
                .writer
                .queue(&DIALECT.update("d", &typed.update(edit)));
            author.writer.flush().await.unwrap();
            for reader in readers {
                has(reader, edit).await;
            }
        });
    }
}

async fn has(reader: &mut Client, edit: u32) {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(10), reader.reader.next());
        match frame.await.unwrap().unwrap() {
            Frame::Binary(bytes) => {
                let mut here = false;
                if let baton_load::dialect::Incoming::Update(update) = DIALECT.read(&bytes) {
                    stretches(update, |_, clocks| here |= clocks.end > edit);
                }
                if here {
                    return;
                }
            }
            Frame::Ping(payload) => reader.writer.pong(&payload).await.unwrap(),
            Frame::Other => {}
            Frame::Close(code) => unreachable!("closed with {code}"),
        }
    }
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an edit to all others");
    group.sample_size(30);
    for readers in [10, 1000] {
        let mut audience = Audience::of(readers);
        group.bench_function(BenchmarkId::from_parameter(readers), |bencher| {
            bencher.iter(|| audience.edit());
        });
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
