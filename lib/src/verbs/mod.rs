//! The verbs: a file each, named as on the command line; all are pure state machines.

mod broadcast;
mod clocks;
mod common;
mod later;
mod listen;
mod matching;
mod measure;
mod path_mtu;
mod plan;
mod recording;
mod reflect;
mod relay;
mod replay;
mod requests;
mod send;
mod send_to_many;
mod serve;
mod sources;
mod timetable;
mod window;

pub use broadcast::{Broadcast, BroadcastFigures, BroadcastOptions, BroadcastTarget};
pub use common::Limits;
pub use listen::{Listen, ListenOptions};
pub use measure::{
    AddedDelay, LoadFigures, LoadGrade, LoadOptions, LoadOutcome, LoadPhase, Measure, MeasureFigures, MeasureInput,
    MeasureOptions, OneWay, OneWayCounts, ReflectorKind, TrafficClassSeen,
};
pub use path_mtu::{MtuLimit, PathMtu, PathMtuFigures, PathMtuInput, PathMtuOptions, SizeTried, TooBigReports};
pub use plan::{Keeps, Plan, PlannedDatagram, Preview, ReplayFigures, ReplayOptions};
pub use recording::{Reading, Recording, ReplayDatagram};
pub use reflect::{Reflect, ReflectFigures, ReflectInput, ReflectKeys, ReflectOptions};
pub use relay::{
    DirectionFigures, Injection, LinkChange, LinkFigures, PeerImpairments, RelayEngine, RelayFigures, RelayInput,
    RelayOptions, RelayScenario, ScenarioStep,
};
pub use replay::Replay;
pub use requests::{Pace, Requests};
pub use send::{Send, SendFigures, SendOptions};
pub use send_to_many::SendToMany;
pub use serve::{Serve, ServeFigures, ServeInput, ServeOptions};
pub use sources::Sources;
pub use timetable::ReplayPace;

pub use crate::direction::Direction;
pub use crate::network::Network;
pub use crate::payload_match::PayloadMatch;
