//! An asynchronous lock: one task holds the value at a time, and the others wait without blocking a
//! thread.
//!
//! Owns the order. A free value goes to the task that asks first, because handing it to a task that
//! does not run yet would leave it idle. A task that has waited for [`PATIENCE`] is handed the
//! value instead, in the order of arrival, so that no task is passed over for long. A [`Held`]
//! value can be moved to another thread.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The time after which a waiting task is handed the value.
const PATIENCE: Duration = Duration::from_millis(1);

/// See the module. While a task holds the value, a default value is in its place.
#[derive(Debug, Default)]
pub(crate) struct Gate<T> {
    state: Mutex<GateState<T>>,
}

#[derive(Debug, Default)]
struct GateState<T> {
    /// The value, while no task holds it.
    free: Option<T>,
    waiting: VecDeque<Waiter>,
    /// The value that was handed to the task with this ticket, until that task runs.
    handed: Option<(u64, T)>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    waker: Waker,
    since: Instant,
}

/// The value, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held<T: Default, G: Deref<Target = Gate<T>>> {
    gate: G,
    value: T,
    /// True if the value has moved on to another `Held`.
    moved: bool,
}

/// A place in the queue; dropping it gives the place up.
struct QueuePlace<'a, T> {
    gate: &'a Gate<T>,
    ticket: Option<u64>,
}

impl<T: Default> Gate<T> {
    /// Returns a gate with a value that no task holds.
    pub(crate) fn new(value: T) -> Self {
        let state = GateState {
            free: Some(value),
            waiting: VecDeque::new(),
            handed: None,
            next_ticket: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Takes the value if no task holds it.
    pub(crate) fn try_take(&self) -> Option<Held<T, &Self>> {
        let value = self.state.lock().free.take()?;
        Some(Held::new(self, value))
    }

    /// Waits for the value.
    pub(crate) async fn take(&self) -> Held<T, &Self> {
        if let Some(held) = self.try_take() {
            return held;
        }
        let mut place = QueuePlace {
            gate: self,
            ticket: None,
        };
        poll_fn(|context| place.poll(context)).await
    }

    fn give_back(&self, value: T) {
        let mut state = self.state.lock();
        let waker = match state.waiting.front() {
            Some(first) if first.since.elapsed() >= PATIENCE => {
                let first = state.waiting.pop_front();
                state.handed = first.as_ref().map(|first| (first.ticket, value));
                first.map(|first| first.waker)
            }
            first => {
                let waker = first.map(|first| first.waker.clone());
                state.free = Some(value);
                waker
            }
        };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<'a, T: Default> QueuePlace<'a, T> {
    fn poll(&mut self, context: &Context<'_>) -> Poll<Held<T, &'a Gate<T>>> {
        let mut state = self.gate.state.lock();
        if let Some((ticket, value)) = state.handed.take() {
            if Some(ticket) == self.ticket {
                self.ticket = None;
                return Poll::Ready(Held::new(self.gate, value));
            }
            state.handed = Some((ticket, value));
        }
        if let Some(value) = state.free.take() {
            if let Some(ticket) = self.ticket.take() {
                state.waiting.retain(|waiting| waiting.ticket != ticket);
            }
            return Poll::Ready(Held::new(self.gate, value));
        }
        match self.ticket {
            Some(ticket) => {
                let own = state.waiting.iter_mut().find(|own| own.ticket == ticket);
                if let Some(own) = own {
                    own.waker.clone_from(context.waker());
                }
            }
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                self.ticket = Some(ticket);
                state.waiting.push_back(Waiter {
                    ticket,
                    waker: context.waker().clone(),
                    since: Instant::now(),
                });
            }
        }
        Poll::Pending
    }
}

impl<T> Drop for QueuePlace<'_, T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else {
            return;
        };
        let mut state = self.gate.state.lock();
        state.waiting.retain(|waiting| waiting.ticket != ticket);
        // This task may have been woken, or handed the value, in vain: pass both on.
        if let Some((to, value)) = state.handed.take() {
            if to == ticket {
                state.free = Some(value);
            } else {
                state.handed = Some((to, value));
            }
        }
        let next = state.free.is_some().then(|| state.waiting.front());
        let waker = next.flatten().map(|next| next.waker.clone());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T: Default, G: Deref<Target = Gate<T>>> Held<T, G> {
    fn new(gate: G, value: T) -> Self {
        Self {
            gate,
            value,
            moved: false,
        }
    }
}

impl<T: Default> Held<T, &Gate<T>> {
    /// Returns the held value in a form that can move to another thread. `gate` is its own gate.
    pub(crate) fn into_owned(mut self, gate: &Arc<Gate<T>>) -> Held<T, Arc<Gate<T>>> {
        debug_assert!(std::ptr::eq(self.gate, Arc::as_ptr(gate)), "the same gate");
        self.moved = true;
        Held::new(Arc::clone(gate), std::mem::take(&mut self.value))
    }
}

impl<T: Default, G: Deref<Target = Gate<T>>> Deref for Held<T, G> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default, G: Deref<Target = Gate<T>>> DerefMut for Held<T, G> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Default, G: Deref<Target = Gate<T>>> Drop for Held<T, G> {
    fn drop(&mut self) {
        if !self.moved {
            self.gate.give_back(std::mem::take(&mut self.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::{JoinSet, yield_now};

    use super::*;

    #[tokio::test]
    async fn one_task_at_a_time_has_the_value_and_all_have_it_once() {
        let gate = Arc::new(Gate::new(vec![0]));
        let mut tasks = JoinSet::new();
        for number in 1..=20 {
            let gate = Arc::clone(&gate);
            tasks.spawn(async move {
                let mut held = gate.take().await.into_owned(&gate);
                yield_now().await;
                held.push(number);
            });
        }
        tasks.join_all().await;
        let mut seen = gate.take().await.clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..=20).collect::<Vec<_>>());
    }

    /// A task that takes the value again and again would otherwise keep it from all others.
    #[tokio::test]
    async fn tasks_that_wait_for_long_have_it_in_the_order_in_which_they_came() {
        let gate = Arc::new(Gate::new(Vec::new()));
        let first = gate.try_take().unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..5 {
            let gate = Arc::clone(&gate);
            tasks.spawn(async move { gate.take().await.push(number) });
            yield_now().await;
        }
        std::thread::sleep(2 * PATIENCE);
        drop(first);
        assert!(gate.try_take().is_none(), "it is handed over");
        tasks.join_all().await;
        assert_eq!(*gate.take().await, [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_task_that_stops_waiting_keeps_it_from_no_other() {
        let gate = Arc::new(Gate::new(1));
        for waits_for in [Duration::ZERO, 2 * PATIENCE] {
            let held = gate.try_take().unwrap();
            let (given_up, waiting) = (Arc::clone(&gate), Arc::clone(&gate));
            let given_up = tokio::spawn(async move { *given_up.take().await });
            yield_now().await;
            let waiting = tokio::spawn(async move { *waiting.take().await });
            yield_now().await;
            std::thread::sleep(waits_for);
            drop(held);
            // Woken, or handed the value, and gone before it ran.
            given_up.abort();
            assert_eq!(waiting.await.unwrap(), 1);
            assert!(gate.try_take().is_some());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nothing_is_lost_between_threads() {
        static INSIDE: AtomicUsize = AtomicUsize::new(0);
        let gate = Arc::new(Gate::new(0_u32));
        let mut tasks = JoinSet::new();
        for task in 0..64 {
            let gate = Arc::clone(&gate);
            tasks.spawn(async move {
                for round in 0..500 {
                    let mut held = gate.take().await;
                    assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                    *held += 1;
                    INSIDE.fetch_sub(1, Ordering::SeqCst);
                    drop(held);
                    if (task + round) % 7 == 0 {
                        yield_now().await;
                    }
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(*gate.take().await, 64 * 500);
    }
}
