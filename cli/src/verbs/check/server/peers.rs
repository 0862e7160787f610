//! Several peers: whether each is answered, and with its own answer.

use std::rc::Rc;

use super::answers::Learned;
use super::subject::{Manner, Subject};
use crate::verbs::check::bounds::{AT_ONCE, Cut, now};
use crate::verbs::check::point::Judged;
use crate::verbs::check::wire::{Came, Peer};

/// Peers that ask one after the other.
const PEERS: usize = 4;
/// Requests of a peer that must be unanswered, each with one of the first peer after it that is answered, before the peer is said to
/// be ignored. Where half of all datagrams are lost in each direction, that happens to two peers once in a million times.
const TRIES: usize = 6;
/// Peers that ask at once, and how many requests each makes.
const CROWD: usize = 32;
const EACH: usize = AT_ONCE as usize / CROWD;
/// How often they do.
const ROUNDS: usize = 3;
/// How many times as many answers as it asked for a peer must get, where they show no label: copies are no failure.
const MANY: usize = 3;

/// Whether peers that come later are answered, too.
pub(super) fn every_peer(subject: &mut Subject) -> Result<Judged, Cut> {
    let (mut answered, mut ignored, mut strays) = (0, 0, Strays::default());
    for _ in 0..PEERS {
        match ask_between(subject, &mut strays)? {
            Answered::Yes => answered += 1,
            Answered::OnlyTheFirst => ignored += 1,
            Answered::Unknown => {}
        }
    }
    if let Strays { count: 2.., example: Some(port) } = strays {
        let words =
            format!("{} answers to later peers went to the first one, such as that to port {port}", strays.count);
        subject.strays = Some(words.clone());
        return Ok(Judged::not_seen(words));
    }
    Ok(match (answered, ignored) {
        (PEERS, _) => Judged::passed(format!("{} of {} peers were answered", PEERS + 1, PEERS + 1)),
        (_, 2..) => {
            subject.is_locked = answered == 0;
            Judged::failed(format!(
                "{ignored} peers were not answered, {TRIES} requests of each; the first peer was, between all of these"
            ))
        }
        _ => Judged::not_seen(format!("{answered} of {PEERS} further peers were answered; some datagrams were lost")),
    })
}

/// Answers that went to the first peer, though another had asked.
#[derive(Default)]
struct Strays {
    count: usize,
    /// The port of such a one.
    example: Option<u16>,
}

/// What became of a further peer's requests.
enum Answered {
    Yes,
    /// The first peer was answered all the time.
    OnlyTheFirst,
    Unknown,
}

/// A further peer asks until it is answered, and in between the first one does.
fn ask_between(subject: &mut Subject, strays: &mut Strays) -> Result<Answered, Cut> {
    let peer = subject.peer()?;
    let patience = subject.patience();
    let (mut labels, mut controls) = (Vec::new(), 0);
    for _ in 0..TRIES {
        let (label, request) = subject.fresh();
        labels.push(label);
        if !subject.ask(&peer, subject.target, &request, patience)?.answers.is_empty() {
            return Ok(Answered::Yes);
        }
        let (_, request) = subject.fresh();
        let heard = subject.ask_as_first(&request, patience)?;
        let stray =
            heard.answers.iter().filter(|answer| !subject.labels_in(&answer.payload, &labels).is_empty()).count();
        if stray > 0 {
            strays.count += stray;
            strays.example = Some(peer.address().port());
        }
        controls += usize::from(heard.answers.len() > stray);
    }
    Ok(if controls == TRIES { Answered::OnlyTheFirst } else { Answered::Unknown })
}

/// What a crowd of peers got for their requests.
struct Crowd {
    peers: Vec<Rc<Peer>>,
    labels: Vec<Vec<super::request::Label>>,
    answers: Vec<Vec<Came>>,
}

/// Whether peers that ask at the same time get their own answers.
pub(super) fn own_answer(subject: &mut Subject, learned: &Learned) -> Result<Judged, Cut> {
    if let Some(strays) = &subject.strays {
        return Ok(Judged::failed(strays.clone()));
    }
    if subject.is_locked {
        return Ok(Judged::not_seen("the server answers its first peer alone"));
    }
    let mut wrong = Vec::new();
    let (mut right, mut requests) = (0, 0);
    for _ in 0..ROUNDS {
        let crowd = ask_at_once(subject, learned.each())?;
        requests += crowd.labels.iter().map(Vec::len).sum::<usize>();
        let found = match subject.manner {
            Manner::Fixed => too_many(&crowd, learned.each()),
            Manner::Repeats | Manner::Labelled(_) => foreign(subject, &crowd),
        };
        match found {
            Some(words) => wrong.push(words),
            None => right += crowd.answers.iter().filter(|answers| !answers.is_empty()).count(),
        }
    }
    match (wrong.len(), right) {
        (times, _) if times == ROUNDS || times > 0 && subject.manner != Manner::Fixed => {
            Ok(Judged::failed(format!("{}; {times} times of {ROUNDS}", wrong.swap_remove(0))))
        }
        (0, 1..) => {
            Ok(Judged::passed(format!("{requests} requests of {CROWD} peers at once, and no answer to a wrong peer")))
        }
        (0, _) => Ok(Judged::not_seen("no peer of many that asked at once was answered")),
        _ => Ok(Judged::not_seen(format!("{}; but not each of {ROUNDS} times", wrong.swap_remove(0)))),
    }
}

fn ask_at_once(subject: &mut Subject, each: usize) -> Result<Crowd, Cut> {
    let per_peer = (subject.at_once(CROWD * EACH) / CROWD).clamp(1, EACH);
    let count = subject.at_once(CROWD * EACH).clamp(2, CROWD);
    let peers = (0..count).map(|_| subject.peer()).collect::<Result<Vec<_>, _>>()?;
    let mut labels = vec![Vec::new(); count];
    for _ in 0..per_peer {
        for (peer, labels) in peers.iter().zip(&mut labels) {
            let (label, request) = subject.fresh();
            peer.send(&mut subject.bench, subject.target, &request)?;
            labels.push(label);
        }
    }
    let until = now() + subject.backlog(count * per_peer);
    let answers = subject.gather(&peers, until, per_peer * each)?;
    Ok(Crowd { peers, labels, answers })
}

/// An answer to another peer's request, in words.
fn foreign(subject: &Subject, crowd: &Crowd) -> Option<String> {
    let (mut strays, mut example) = (0, None);
    for (at, answers) in crowd.answers.iter().enumerate() {
        for answer in answers {
            let owners = (0..crowd.peers.len())
                .filter(|owner| !subject.labels_in(&answer.payload, &crowd.labels[*owner]).is_empty());
            if let Some(other) = owners.into_iter().find(|owner| *owner != at) {
                strays += 1;
                let port = |at: usize| crowd.peers[at].address().port();
                example.get_or_insert_with(|| (port(at), port(other)));
            }
        }
    }
    let (to, of) = example?;
    Some(format!("{strays} answers went to a wrong peer: port {to} got what port {of} had asked for"))
}

/// Where answers show no label: a peer that got more than it asked for, while another got nothing, in words.
fn too_many(crowd: &Crowd, each: usize) -> Option<String> {
    let (at, most) = crowd.answers.iter().map(Vec::len).enumerate().max_by_key(|(_, count)| *count)?;
    let asked = crowd.labels[at].len();
    let none = crowd.answers.iter().filter(|answers| answers.is_empty()).count();
    (most > asked * each * MANY && none > 0).then(|| {
        let port = crowd.peers[at].address().port();
        format!("port {port} asked {asked} times and got {most} answers, while {none} other peers got none")
    })
}
