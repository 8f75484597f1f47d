//! What makes a task an actor: calls that are answered, and a supervisor that starts it again after a
//! panic. Knows no particular actor.

use std::any::type_name;
#[cfg(not(feature = "inlinable"))]
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::log;
use crate::mailbox::{self, Receiver, Sender};

/// How long a caller waits for room in the mailbox and for the reply, together.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// An actor that dies as soon as it runs must not burn a core.
const RESTART_PAUSE: Duration = Duration::from_millis(1);

/// The mailbox as its actor holds it: when the actor dies, the next incarnation gets it.
pub type Inbox<Q, R> = OwnedMutexGuard<Receiver<Call<Q, R>>>;

/// A request, and where its reply goes. The caller learns at once when this is dropped without a reply.
pub struct Call<Q, R> {
    pub request: Q,
    pub reply_to: ReplyTo<R>,
}

/// The waiting caller.
pub struct ReplyTo<R>(oneshot::Sender<R>);

/// Where an actor can be called.
pub struct Address<Q, R> {
    name: &'static str,
    mailbox: Sender<Call<Q, R>>,
}

/// A call without a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("{0} did not reply within {CALL_TIMEOUT:?}")]
    TimedOut(&'static str),
    #[error("{0} crashed before it replied")]
    Crashed(&'static str),
    #[error("{0} is shut down")]
    ShutDown(&'static str),
}

impl<R> ReplyTo<R> {
    /// Answers the call. A caller that has given up is no error.
    pub fn answer(self, reply: R) {
        let _ = self.0.send(reply);
    }
}

impl<Q, R> Address<Q, R> {
    /// Sends the request and waits for its reply, at most [`CALL_TIMEOUT`].
    pub async fn call(&self, request: Q) -> Result<R, CallError> {
        let (reply, replied) = oneshot::channel();
        let exchange = async {
            let sent = self.mailbox.send(Call { request, reply_to: ReplyTo(reply) }).await;
            sent.map_err(|_| CallError::ShutDown(self.name))?;
            replied.await.map_err(|_| CallError::Crashed(self.name))
        };
        timeout(CALL_TIMEOUT, exchange).await.unwrap_or(Err(CallError::TimedOut(self.name)))
    }
}

impl<Q, R> Clone for Address<Q, R> {
    fn clone(&self) -> Self {
        Address { name: self.name, mailbox: self.mailbox.clone() }
    }
}

/// Keeps an async handler a function of its own: `#[inline(never)]` on an `async fn` does not reach the code
/// that runs when it is polled, a call through a vtable does.
#[cfg(not(feature = "inlinable"))]
pub fn seam<'a, T>(handler: impl Future<Output = T> + Send + 'a) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(handler)
}

/// Leaves an async handler to the optimizer.
#[cfg(feature = "inlinable")]
pub fn seam<T>(handler: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send {
    handler
}

/// Starts an actor and its supervisor, one for one: after a panic `start` runs again, with fresh state and
/// the same mailbox. The message being handled is lost, the waiting ones are not, nobody else notices.
///
/// The supervisor ends when the actor returns, which it does when all its addresses are gone.
pub fn supervise<Q, R, F>(
    name: &'static str,
    capacity: usize,
    start: impl Fn(Inbox<Q, R>) -> F + Send + 'static,
) -> (Address<Q, R>, JoinHandle<()>)
where
    Q: Send + 'static,
    R: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mailbox::open(name, type_name::<Q>(), capacity);
    let receiver = Arc::new(Mutex::new(receiver));
    let supervisor = tokio::spawn(async move {
        loop {
            let inbox = Arc::clone(&receiver).lock_owned().await;
            match tokio::spawn(start(inbox)).await {
                Err(died) if died.is_panic() => log::error(format_args!("{name} crashed, restarting it")),
                _ => break,
            }
            sleep(RESTART_PAUSE).await;
        }
    });
    (Address { name, mailbox: sender }, supervisor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::snapshots;

    /// Adds up what it is sent; dies of 13.
    async fn adder(mut inbox: Inbox<u64, u64>) {
        let mut sum = 0;
        while let Some((call, _handling)) = inbox.receive().await {
            assert_ne!(call.request, 13, "bad luck");
            sum += call.request;
            call.reply_to.answer(sum);
        }
    }

    /// Takes a message and never answers it.
    async fn mute(mut inbox: Inbox<(), ()>) {
        let _call = inbox.receive().await;
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn a_crashed_actor_is_restarted_with_its_mailbox_and_alone() {
        let (unlucky, _supervisor) = supervise("unlucky", 4, adder);
        let (bystander, _supervisor) = supervise("bystander", 4, adder);
        assert_eq!(unlucky.call(1).await, Ok(1));
        assert_eq!(bystander.call(1).await, Ok(1));

        // The second call waits in the mailbox while the first one kills the actor.
        let (killer, survivor) = tokio::join!(unlucky.call(13), unlucky.call(2));
        assert_eq!(killer, Err(CallError::Crashed("unlucky")));
        assert_eq!(survivor, Ok(2), "fresh state, same mailbox");

        assert_eq!(bystander.call(1).await, Ok(2), "the other actor kept its state");
        let mailboxes = snapshots().into_iter().filter(|mailbox| mailbox.name == "unlucky");
        assert_eq!(mailboxes.map(|mailbox| (mailbox.sent, mailbox.received)).collect::<Vec<_>>(), [(3, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_time_out() {
        let (address, _supervisor) = supervise("mute", 1, mute);
        let before = tokio::time::Instant::now();
        assert_eq!(address.call(()).await, Err(CallError::TimedOut("mute")));
        assert_eq!(before.elapsed(), CALL_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_room_counts_towards_the_time_out() {
        let (address, _supervisor) = supervise("stuffed", 1, mute);
        let before = tokio::time::Instant::now();
        let calls = tokio::join!(address.call(()), address.call(()), address.call(()));
        assert_eq!(calls, (Err(CallError::TimedOut("stuffed")), calls.0, calls.0));
        assert_eq!(before.elapsed(), CALL_TIMEOUT);
    }

    #[tokio::test]
    async fn the_supervisor_ends_with_the_last_address() {
        let (address, supervisor) = supervise("short-lived", 1, adder);
        drop(address);
        supervisor.await.unwrap();
    }
}
