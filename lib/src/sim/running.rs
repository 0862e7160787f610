//! An engine with its type forgotten, so that a network can have several.

use std::any::Any;

use super::host::Out;
use crate::datagram::{SendFailure, Train};
use crate::engine::{Engine, Next};
use crate::socket_id::SocketId;
use crate::unreachable::Unreachable;

/// What a network does with an engine.
pub(super) trait Runs: Any {
    fn receive(&mut self, via: SocketId, train: Train<'_>, out: &mut Out<'_, '_>);
    fn unreachable(&mut self, via: SocketId, unreachable: &Unreachable, out: &mut Out<'_, '_>);
    fn failed(&mut self, via: SocketId, failure: &SendFailure, out: &mut Out<'_, '_>);
    /// Everything that arrived until now was handed over; does what is due, unless the engine has finished.
    fn tick(&mut self, out: &mut Out<'_, '_>);
    fn finish(&mut self, out: &mut Out<'_, '_>);
    fn next(&self) -> Next;
}

impl<E: Engine + 'static> Runs for E {
    fn receive(&mut self, via: SocketId, train: Train<'_>, out: &mut Out<'_, '_>) {
        self.receive_train(out.now, via, train, out);
    }

    fn unreachable(&mut self, via: SocketId, unreachable: &Unreachable, out: &mut Out<'_, '_>) {
        Engine::unreachable(self, out.now, via, unreachable, out);
    }

    fn failed(&mut self, via: SocketId, failure: &SendFailure, out: &mut Out<'_, '_>) {
        Engine::failed(self, out.now, via, failure, out);
    }

    fn tick(&mut self, out: &mut Out<'_, '_>) {
        self.heard(out.now);
        if Engine::next(self) != Next::Done {
            Engine::tick(self, out.now, out);
        }
    }

    fn finish(&mut self, out: &mut Out<'_, '_>) {
        Engine::finish(self, out.now, out);
    }

    fn next(&self) -> Next {
        Engine::next(self)
    }
}
