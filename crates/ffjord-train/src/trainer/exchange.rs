//! The sum of what all processes have computed of a batch, the same bits on each of them.

use super::descent::Descent;
use crate::error::{Result, TrainError};
use crate::observer::ProcessReport;
use crate::processes::{Communicator, Deal, Node, Reader, Writer, not_understood};
use ffjord_nn::Parameter;

/// The exchange of one iteration: sums travel up a tree of shards to process 0, and the result comes back to all. What
/// failed travels in their place, and whether anyone was asked to stop beside them.
pub(super) struct Exchange<'a> {
    communicator: &'a dyn Communicator,
    deal: Deal,
    parameters: &'a [Parameter],
    /// Whether a process was asked to stop: this one, or, after the sum, any.
    pub(super) stop: bool,
    /// What each process did, after the sum: none of a process by itself.
    pub(super) processes: Vec<ProcessReport>,
    /// The same with the processes' numbers, as far as this process knows.
    known: Vec<(usize, ProcessReport)>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(communicator: &'a dyn Communicator, deal: Deal, parameters: &'a [Parameter], stop: bool) -> Self {
        Self {
            communicator,
            deal,
            parameters,
            stop,
            processes: Vec::new(),
            known: Vec::new(),
        }
    }

    /// The sum over all shards, given those over this process's own nodes in order, and the seconds that these took; or
    /// the failure of the first shard that failed.
    ///
    /// # Errors
    /// [`TrainError::LostProcess`], outside; what processes know of each other's failures is inside.
    pub(super) fn sum(&mut self, own: Vec<(Node, Result<Descent>)>, seconds: f64) -> Result<Result<Descent>> {
        let rank = self.communicator.rank();
        if self.deal.processes > 1 {
            let done = own.iter().filter_map(|(_, sum)| sum.as_ref().ok());
            let (evaluations, share) = done.fold((0.0, 0.0), |(evaluations, share), sum| {
                let all = sum.forward_evaluations + sum.backward_evaluations;
                (evaluations + all, share + sum.share)
            });
            let evaluations = if share > 0.0 { evaluations / share } else { 0.0 };
            self.known.push((rank, ProcessReport { evaluations, seconds }));
        }
        let mut own = own.into_iter();
        let sum = self.reduce(self.deal.root(), &mut own)?;
        if self.deal.processes == 1 {
            return sum.map_or_else(|| Err(TrainError::EmptyBatch), Ok);
        }
        self.known.sort_by_key(|(rank, _)| *rank);
        let told = match &sum {
            Some(sum) => self.message(sum),
            None => Vec::new(),
        };
        let told = self.communicator.broadcast(told)?;
        let sum = match sum {
            Some(sum) => sum,
            None => {
                self.known.clear();
                self.read(&told, 0)?
            }
        };
        self.processes = self.known.drain(..).map(|(_, report)| report).collect();
        Ok(sum)
    }

    /// The sum over a node, on the process that has its first shard; nothing on the others.
    fn reduce(
        &mut self,
        node: Node,
        own: &mut impl Iterator<Item = (Node, Result<Descent>)>,
    ) -> Result<Option<Result<Descent>>> {
        let rank = self.communicator.rank();
        let halves = match self.deal.sole_owner(node) {
            Some(owner) if owner == rank => return Ok(own.next().map(|(_, sum)| sum)),
            Some(_) => return Ok(None),
            None => node.halves(),
        };
        let Some((left, right)) = halves else { return Ok(None) };
        let (to, from) = (self.deal.owner(left.first), self.deal.owner(right.first));
        let left = self.reduce(left, own)?;
        let mut right = self.reduce(right, own)?;
        if to != from && rank == from {
            if let Some(right) = right.take() {
                let message = self.message(&right);
                self.communicator.send(to, &message)?;
            }
            return Ok(None);
        }
        if to != from && rank == to {
            let message = self.communicator.receive(from)?;
            right = Some(self.read(&message, from)?);
        }
        Ok(match (left, right) {
            (Some(left), Some(right)) => Some(left.and_then(|left| left.plus(right?))),
            _ => None,
        })
    }

    /// What is told of a sum, with all that this process knows and has not told.
    fn message(&mut self, sum: &Result<Descent>) -> Vec<u8> {
        let mut message = Writer::default();
        message.byte(u8::from(self.stop)).number(self.known.len());
        let root = self.communicator.rank() == 0;
        for (rank, report) in &self.known {
            message.number(*rank).float(report.evaluations).float(report.seconds);
        }
        if !root {
            self.known.clear();
        }
        let mut descent = Writer::default();
        let written = sum.as_ref().map(|sum| sum.write(&mut descent));
        let failure = match &written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(error) => Some(*error),
        };
        match failure {
            None => message.byte(0).bytes(&descent.finish()),
            Some(error) => message
                .byte(1 + u8::from(error.ends_run()))
                .bytes(error.to_string().as_bytes()),
        };
        message.finish()
    }

    fn read(&mut self, message: &[u8], from: usize) -> Result<Result<Descent>> {
        let mut reader = Reader::new(message);
        self.parse(&mut reader).ok_or_else(|| not_understood(from))
    }

    fn parse(&mut self, message: &mut Reader<'_>) -> Option<Result<Descent>> {
        self.stop |= message.byte()? != 0;
        for _ in 0..message.number()? {
            let (rank, evaluations, seconds) = (message.number()?, message.float()?, message.float()?);
            self.known.push((rank, ProcessReport { evaluations, seconds }));
        }
        match message.byte()? {
            0 => Descent::read(&mut Reader::new(message.bytes()?), self.parameters).map(Ok),
            failed => Some(Err(TrainError::Agreed {
                cause: message.text()?,
                ends: failed > 1,
            })),
        }
    }
}
