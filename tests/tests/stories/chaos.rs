//! Random people who want the lock, edit with and without it, fall silent, lose their connections and come back: the
//! invariants of lock and edits hold all the same.

use std::time::{Duration, Instant};

use baton_room::Room;
use baton_sync::Document;
use baton_sync::control_channel::{ClientMessage, FencingToken, LockView, Paths, ServerMessage};
use baton_sync::document::yrs::{GetString, ReadTxn};
use baton_testkit::Random;
use baton_tests::{Beats, Join, RawClient, TestServer, millis};

/// How long the run goes on, in seconds, unless `BATON_CHAOS` says otherwise.
const RUN: u64 = 6;

struct Actor {
    name: String,
    client: RawClient,
}

struct Stage {
    server: TestServer,
    random: Random,
    actors: Vec<Actor>,
    /// Everything typed that the server acknowledged, in a document or in a park.
    acknowledged: Vec<String>,
    /// Typed and not acknowledged yet, by actor.
    typed: Vec<Vec<String>>,
    grants: Vec<FencingToken>,
}

impl Stage {
    async fn act(&mut self) {
        let who = self.random.below(self.actors.len());
        self.take_grants(who);
        match self.random.below(44) {
            0..=5 => {
                let paths = self.somewhere();
                self.says(who, &ClientMessage::Acquire { nonce: 0, paths });
            }
            6 => {
                let paths = self.somewhere();
                self.says(who, &ClientMessage::Try { nonce: 0, paths });
            }
            40 => {
                let (paths, note) = (self.somewhere(), "please".to_owned());
                let nonce = 0;
                self.says(who, &ClientMessage::Request { nonce, paths, note });
            }
            41 => {
                let paths = self.somewhere();
                self.says(who, &ClientMessage::TakeOver { nonce: 0, paths });
            }
            42..=43 => self.transfers(who),
            7 => self.says(who, &ClientMessage::Cancel { nonce: 0 }),
            8..=9 => {
                if let Some(fence) = self.fence(who) {
                    self.says(who, &ClientMessage::Release { nonce: 0, fence });
                }
            }
            10 => self.client(who).set_beats(Beats::Ignored),
            11..=14 => self.client(who).set_beats(Beats::Answered),
            15 => self.reconnects(who).await,
            16 => self.starts_afresh(who).await,
            // Most edit when they may; some do not ask.
            17 => self.types(who),
            _ => {
                if self.fence(who).is_some() {
                    self.types(who);
                }
            }
        }
        for other in 0..self.actors.len() {
            self.claims(other);
            self.drains(other);
        }
    }

    fn client(&self, who: usize) -> &RawClient {
        &self.actors[who].client
    }

    fn says(&self, who: usize, message: &ClientMessage) {
        self.client(who).says(message);
    }

    fn fence(&self, who: usize) -> Option<FencingToken> {
        self.client(who).look(|known| known.fence())
    }

    /// The whole document, the text that all edit, or beside it.
    fn somewhere(&mut self) -> Paths {
        match self.random.below(4) {
            0 => vec![vec!["t".to_owned()]],
            1 => vec![vec!["beside".to_owned()]],
            _ => Paths::new(),
        }
    }

    fn transfers(&mut self, who: usize) {
        let other = self.random.below(self.actors.len());
        let to = self.client(other).session();
        if let Some(fence) = self.fence(who) {
            let nonce = 0;
            self.says(who, &ClientMessage::Transfer { nonce, fence, to });
        }
    }

    /// Who is told to drain does so, but for one of ten.
    fn drains(&mut self, who: usize) {
        let told: Vec<FencingToken> = self.client(who).take(|message| match message {
            ServerMessage::Drain { fence, .. } => Some(*fence),
            _ => None,
        });
        for fence in told {
            if self.random.below(10) > 0 {
                self.says(who, &ClientMessage::Drained { fence });
            }
        }
    }

    /// Nine of ten offers are claimed.
    fn claims(&mut self, who: usize) {
        let offers: Vec<FencingToken> = self.client(who).take(|message| match message {
            ServerMessage::Offer { fence, .. } => Some(*fence),
            _ => None,
        });
        for fence in offers {
            if self.random.below(10) > 0 {
                self.says(who, &ClientMessage::Claim { fence });
            }
        }
    }

    fn take_grants(&mut self, who: usize) {
        let grants: Vec<FencingToken> = self.client(who).take(|message| match message {
            ServerMessage::Granted { fence, .. } => Some(*fence),
            _ => None,
        });
        self.grants.extend(grants);
    }

    fn types(&mut self, who: usize) {
        let word = format!("<{}>", self.random.bits() >> 20);
        self.client(who).types(&word);
        self.typed[who].push(word);
    }

    async fn reconnects(&mut self, who: usize) {
        let name = self.actors[who].name.clone();
        let away = Duration::from_millis(self.random.below(400));
        let actor = self.actors.remove(who);
        let memory = actor.client.vanishes().await;
        // Shorter or longer than the grace, as the dice say.
        tokio::time::sleep(away).await;
        let join = Join::member("chaos", &name).remembering(memory);
        let client = self.server.connect(join).await;
        self.actors.insert(who, Actor { name, client });
    }

    /// As a page that keeps its draft and opens the document anew.
    async fn starts_afresh(&mut self, who: usize) {
        self.is_acknowledged(who).await;
        let name = self.actors[who].name.clone();
        self.actors.remove(who);
        let client = self.server.connect(Join::member("chaos", &name)).await;
        self.actors.insert(who, Actor { name, client });
    }

    async fn is_acknowledged(&mut self, who: usize) {
        self.client(who).is_saved().await;
        let typed = std::mem::take(&mut self.typed[who]);
        self.acknowledged.extend(typed);
    }
}

/// A lock stays whose and where it is, and a new one has a larger fence than everything before.
fn in_order(views: &[LockView]) {
    for pair in views.windows(2) {
        assert!(pair[0].version < pair[1].version, "{pair:?}");
        for grant in &pair[1].grants {
            match pair[0].grants.iter().find(|old| old.fence == grant.fence) {
                Some(old) => {
                    assert_eq!((old.session, &old.paths), (grant.session, &grant.paths));
                }
                None => assert!(grant.fence.position > pair[0].version, "{pair:?}"),
            }
        }
    }
}

/// Each word is in the document or in a park, and not in both.
fn in_one_place(room: &Room, words: &[String]) -> usize {
    let text = Document::to_read(room.state().document()).read(|txn| {
        txn.get_text("t")
            .map_or_else(String::new, |text| text.get_string(txn))
    });
    let text = text.unwrap();
    let mut parked = 0;
    for word in words {
        let inside = text.matches(word.as_str()).count();
        let held = room.state().parks().any(|park| {
            let mut updates = park.updates.iter();
            updates.any(|update| String::from_utf8_lossy(update).contains(word.as_str()))
        });
        parked += usize::from(held);
        assert!(
            inside + usize::from(held) == 1,
            "{word}: {inside} times in the document, in a park {held}"
        );
    }
    parked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_people_do_no_edit_is_lost_and_no_fence_goes_back() {
    let server = TestServer::with(|settings| {
        TestServer::brisk(settings);
        settings.grace = millis(200);
        settings.offer = millis(200);
        settings.max_parks = 10_000;
        settings.max_parked = bytesize::ByteSize::gib(1);
    })
    .await;
    let watching = server
        .connect(Join::member("chaos", "Watching").observing())
        .await;
    let mut actors = Vec::new();
    for name in ["Ada", "Bob", "Carol", "Dan"] {
        let client = server.connect(Join::member("chaos", name)).await;
        let name = name.to_owned();
        actors.push(Actor { name, client });
    }
    let mut stage = Stage {
        server,
        random: Random::announced("chaos"),
        typed: vec![Vec::new(); actors.len()],
        actors,
        acknowledged: Vec::new(),
        grants: Vec::new(),
    };
    let seconds = std::env::var("BATON_CHAOS").map_or(RUN, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        stage.act().await;
        // The pace of the play.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for who in 0..stage.actors.len() {
        stage.client(who).set_beats(Beats::Answered);
        stage.is_acknowledged(who).await;
    }
    let views = watching.take(|message| match message {
        ServerMessage::Lock { lock } => Some(lock.clone()),
        _ => None,
    });
    in_order(&views);
    let Stage {
        server,
        actors,
        acknowledged,
        mut grants,
        ..
    } = stage;
    drop((actors, watching));
    let room = server.stop().await.room("chaos");
    let parked = in_one_place(&room, &acknowledged);
    grants.sort_unstable();
    grants.dedup();
    eprintln!(
        "{} edits, {parked} of them parked; {} grants; {} views of the lock",
        acknowledged.len(),
        grants.len(),
        views.len()
    );
    assert!(
        acknowledged.len() > 10 && parked > 0 && grants.len() > 1,
        "the play had a plot"
    );
}
