//! What goes wrong, when it is time for it.
//!
//! Owns the time of the run in which there are edits and chaos: starts and ends what the plan says. Decides nothing.

use std::time::Duration;

use baton_testkit::Direction;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use crate::error::LabError;
use crate::people::Phase;
use crate::plan::{Disturbance, Trouble, disturbances};
use crate::record::{Progress, What};
use crate::run::{END, LOOK, Stage};

impl Stage {
    /// Lets them edit, and disturbs them.
    pub(crate) async fn play(
        &mut self,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(), LabError> {
        let start = Instant::now();
        let mut ends: Vec<(Instant, Disturbance)> = Vec::new();
        let mut plan = disturbances(&self.scenario).into_iter().peekable();
        let mut look = interval(LOOK);
        let end = start + self.scenario.lasts;
        loop {
            let begins = plan.peek().map_or(end, |next| start + next.at);
            let stops = ends.iter().map(|(at, _)| *at).min().unwrap_or(end);
            tokio::select! {
                () = sleep_until(begins.min(stops).min(end)) => {}
                _ = look.tick() => {
                    progress(self.recorder.progress(false));
                    continue;
                }
            }
            let now = Instant::now();
            for (_, over) in ends.extract_if(.., |(at, _)| *at <= now) {
                self.relieve(&over);
            }
            while let Some(next) = plan.next_if(|next| start + next.at <= now) {
                match next.trouble {
                    Trouble::Kill => self.kill(next.lasts).await?,
                    Trouble::Blackout => self.black_out(next.lasts).await?,
                    _ => {
                        self.disturb(&next);
                        ends.push((now + next.lasts, next));
                    }
                }
            }
            if now >= end {
                return Ok(());
            }
        }
    }

    fn disturb(&self, disturbance: &Disturbance) {
        let place = &self.places[disturbance.client];
        let how = match disturbance.trouble {
            Trouble::Drop | Trouble::Kill | Trouble::Blackout => {
                place.proxy.reset();
                self.recorder
                    .note(Some(disturbance.client), 0, What::Dropped);
                return;
            }
            Trouble::Delay { by } => {
                place.proxy.delay(by);
                "delay"
            }
            Trouble::Partition { way } => {
                place.proxy.lose(way);
                match way {
                    Direction::ToServer => "partition-up",
                    Direction::ToClient => "partition-down",
                    Direction::Both => "partition",
                }
            }
            Trouble::Freeze => {
                place.ice.freeze();
                "freeze"
            }
        };
        let what = What::Disturbed {
            how: how.to_owned(),
            millis: u64::try_from(disturbance.lasts.as_millis()).unwrap_or(u64::MAX),
        };
        self.recorder.note(Some(disturbance.client), 0, what);
    }

    fn relieve(&self, disturbance: &Disturbance) {
        let place = &self.places[disturbance.client];
        match disturbance.trouble {
            Trouble::Drop | Trouble::Kill | Trouble::Blackout => {}
            Trouble::Delay { .. } => place.proxy.delay(Duration::ZERO),
            Trouble::Partition { .. } => place.proxy.restore(),
            Trouble::Freeze => place.ice.thaw(),
        }
    }

    async fn kill(&mut self, down: Duration) -> Result<(), LabError> {
        if let Some(server) = &mut self.server {
            server.kill().await?;
            self.recorder.note(None, 0, What::Killed);
            sleep(down).await;
            server.start_again().await?;
            self.recorder.note(None, 0, What::Started);
        }
        Ok(())
    }

    /// The server first, so that nothing more is acknowledged; then the clients, all of them, before it is there again: one
    /// that still had its copy would bring back what the disk has lost.
    async fn black_out(&mut self, down: Duration) -> Result<(), LabError> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        server.kill().await?;
        self.recorder.note(None, 0, What::Blackout);
        for place in &self.places {
            place.ice.thaw();
        }
        self.phase.send_modify(|phase| {
            if let Phase::Acting { blackouts } = phase {
                *blackouts += 1;
            }
        });
        for _ in &self.places {
            let ended = timeout(END, self.dark.recv()).await;
            if !matches!(ended, Ok(Some(()))) {
                return Err(LabError::Client("it did not end with the power".to_owned()));
            }
        }
        sleep(down).await;
        server.start_again().await?;
        self.recorder.note(None, 0, What::Started);
        Ok(())
    }
}
