//! Two people who edit a document while something goes on around them, and what is left of it afterwards.

use std::time::Duration;

use baton_server::{Load, Settings};
use baton_tests::{Join, TestServer, converge, nodes_of_a_story};
use tokio::runtime::Handle;

/// How long an edit may take to the other one during an attack. Far more than it takes, far less than what a server
/// that is kept busy by somebody else's time-outs would.
const PROMPT: Duration = Duration::from_secs(5);

/// The pair, with its server in this process; see the module.
pub(crate) struct Pair {
    pub(crate) server: TestServer,
    ada: baton_tests::RawClient,
    bob: baton_tests::RawClient,
    turns: usize,
    /// Tasks of the whole process, server and clients, before anything happened.
    tasks: usize,
}

impl Pair {
    /// On a server with these settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        // Boxed: a server and two clients are large, and so would be the futures of all stories.
        Box::pin(Self::on(TestServer::with(change).await)).await
    }

    pub(crate) async fn on(server: TestServer) -> Self {
        let ada = server.connect(Join::member("notes", "Ada")).await;
        let bob = server.connect(Join::stock("notes")).await;
        // Each node has the document before the tasks are counted.
        for _ in 0..nodes_of_a_story() - 1 {
            server.connect(Join::stock("notes")).await.leaves().await;
        }
        let mut pair = Self {
            server,
            ada,
            bob,
            turns: 0,
            tasks: 0,
        };
        pair.edits().await;
        pair.settles().await;
        pair.tasks = Handle::current().metrics().num_alive_tasks();
        pair
    }

    /// One edit each way arrives, promptly.
    pub(crate) async fn edits(&mut self) {
        let turn = self.turns;
        self.turns += 1;
        let both = async {
            self.ada.types(&format!("<a{turn}>"));
            self.bob.sees(&format!("<a{turn}>")).await;
            self.bob.types(&format!("<b{turn}>"));
            self.ada.sees(&format!("<b{turn}>")).await;
        };
        let prompt = tokio::time::timeout(PROMPT, both).await;
        assert!(prompt.is_ok(), "turn {turn} of the pair is held up");
    }

    /// Goes on editing while this happens.
    pub(crate) async fn during<T>(&mut self, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        loop {
            tokio::select! {
                biased;
                done = &mut what => return done,
                () = self.edits() => {}
            }
        }
    }

    /// Waits until nobody is here but the two.
    async fn settles(&self) {
        let only_two = |load: Load| {
            let Load {
                connections,
                documents,
                handshakes,
                loads,
                waiting_loads,
                receiving,
                ..
            } = load;
            let idle = handshakes + loads + waiting_loads + receiving == 0;
            idle && connections == 2 && documents == 1
        };
        self.server.comes_to("only the pair here", only_two).await;
    }

    /// Everything is as it was: the two agree, all is saved, and of what went on nothing is left.
    pub(crate) async fn testifies(mut self) {
        self.edits().await;
        self.ada.is_saved().await;
        converge(&[&self.ada, &self.bob]).await;
        self.settles().await;
        let runtime = Handle::current();
        // A task ends a moment after what it held was given back.
        let looking = async {
            while runtime.metrics().num_alive_tasks() > self.tasks {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let left = tokio::time::timeout(baton_tests::WAIT, looking).await;
        let now = runtime.metrics().num_alive_tasks();
        assert!(left.is_ok(), "{now} tasks, {} before", self.tasks);
        assert_eq!(self.server.get("/readyz").await.status, 200);
        drop((self.ada, self.bob));
        self.server.stop().await;
    }
}
