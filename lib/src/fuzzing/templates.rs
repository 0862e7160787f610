//! Templates: any text is one or an error inside it, and what is filled in keeps to its limit.

use arbitrary::{Result, Unstructured};

use super::made;
use crate::datagram::{Datagram, Meta};
use crate::template::{Known, Template};

/// More than any of the places that are not cut to the limit can have.
const LONGEST_PLACE: usize = 64;
/// More than an error says, however long the template is.
const LONGEST_ERROR: usize = 400;

/// Reads a template and fills it in.
pub fn templates(data: &[u8]) {
    // Bytes that are too few for all that is drawn make no case.
    let _ = fill_in(&mut Unstructured::new(data));
}

fn fill_in(bytes: &mut Unstructured<'_>) -> Result<()> {
    let of_bytes: bool = bytes.arbitrary()?;
    let limit = *bytes.choose(&[0, 1, 20, 500, 65_507])?;
    let count: u64 = bytes.arbitrary()?;
    let meta = made::meta(bytes)?;
    let payload = made::payload(bytes)?;
    let wire_len = payload.len() + usize::from(bytes.arbitrary::<u8>()? / 128);
    let text = String::from_utf8_lossy(bytes.peek_bytes(bytes.len()).unwrap_or_default());

    let template = match if of_bytes { Template::bytes(&text) } else { Template::text(&text) } {
        Ok(template) => template,
        Err(error) => {
            assert!(text.is_char_boundary(error.at()) && error.at() < text.len(), "{error} at {}", error.at());
            assert!(error.to_string().len() < LONGEST_ERROR, "{error}");
            return Ok(());
        }
    };
    let datagram = Datagram { payload: &payload, wire_len, meta: &meta };
    check(&template, &datagram, count, limit);
    if !of_bytes && !text.contains('{') {
        assert_eq!(template.as_fixed(), Some(text.as_bytes()));
    }
    Ok(())
}

fn check(template: &Template, datagram: &Datagram<'_>, count: u64, limit: usize) {
    let of = |meta: &Meta, count: u64, limit: usize| {
        let mut reply = Vec::new();
        let known = Known { datagram, count, time: meta.received, interface: Some("eth0") };
        template.render(&known, &mut reply, limit);
        reply
    };
    let reply = of(datagram.meta, count, limit);
    assert!(reply.len() <= limit + LONGEST_PLACE, "{} bytes past {limit}", reply.len());
    let whole = of(datagram.meta, count, usize::MAX - LONGEST_PLACE);
    if whole.len() <= limit {
        assert_eq!(reply, whole);
    } else {
        assert!(reply.len() > limit, "a reply that is too long must not look as if it were not");
    }
    if let Some(fixed) = template.as_fixed() {
        assert_eq!(fixed, whole);
    }
    if !template.counts() && !template.tells_time() {
        let later = Meta { received: None, ..*datagram.meta };
        assert_eq!(of(&later, count.wrapping_add(1), usize::MAX - LONGEST_PLACE), whole);
    }
}
