//! Deliberate mistakes. The tests switch them on one by one, and each must be found: what shows that the tests would find such a
//! mistake in the real thing.
//!
//! They are constants of [`Memory`](crate::Memory), so that the ring has nothing of them when it runs on the board.

/// A mistake that one could make in a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// A line is published without a barrier before its control word.
    PublishRelaxed,
    /// The receiver reads the words without a barrier behind the control word.
    SeeRelaxed,
    /// The receiver acknowledges without a barrier behind its reads.
    AcknowledgeRelaxed,
    /// The sender uses a line again without a barrier behind the acknowledgement.
    LearnRelaxed,
    /// The receiver acknowledges before it has read.
    AcknowledgeEarly,
    /// The sender believes in one line more than there is.
    RoomForOneMore,
    /// The sender starts the new lap one line too late.
    LapTooLate,
    /// The first line of a batch is published before the others are written.
    BatchForward,
    /// The receiver marks a line without seeing to it that it is still empty.
    MarkBlindly,
    /// The receiver looks once more and then sleeps without a mark.
    MarkNothing,
    /// The sender looks for the mark first and publishes then.
    PublishAfterLook,
    /// The sender marks the word of acknowledgement without seeing to it that it is still the same.
    WaitBlindly,
    /// The receiver looks for the sender's mark first and acknowledges then.
    AcknowledgeAfterLook,
    /// The sender believes acknowledgements in lines that were sent before one that it knows already.
    TrustStale,
}

impl Flaw {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::PublishRelaxed,
        Self::SeeRelaxed,
        Self::AcknowledgeRelaxed,
        Self::LearnRelaxed,
        Self::AcknowledgeEarly,
        Self::RoomForOneMore,
        Self::LapTooLate,
        Self::BatchForward,
        Self::MarkBlindly,
        Self::MarkNothing,
        Self::PublishAfterLook,
        Self::WaitBlindly,
        Self::AcknowledgeAfterLook,
        Self::TrustStale,
    ];
}
