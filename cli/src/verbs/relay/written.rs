//! What the links of a relay do now, as a scenario file.

use udpkit::Network;

use crate::words::impairments::Words;

/// What a link does in each direction: of all peers, or of those of a network.
type Links = (Option<Network>, [Words; 2]);

/// A scenario that does from its start what these links do: first those of all peers that have none of their own.
pub(super) fn scenario(seed: u64, links: &[Links]) -> String {
    let mut text =
        format!("# What the links of a relay did when this was written. Nothing changes later.\nseed = {seed}\n");
    for (network, [up, down]) in links {
        if let Some(network) = network {
            // Of its own in both directions, so that it has nothing of what all have.
            text += &format!("\n[[peer]]\nnetwork = {}\nlike = \"none\"\n", quoted(&network.to_string()));
        }
        text += &format!("up = {}\ndown = {}\n", table(up), table(down));
    }
    text
}

fn table(words: &Words) -> String {
    let pairs: Vec<_> = words.iter().map(|(name, value)| format!("{} = {}", name.word(), quoted(&value))).collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

/// A text of TOML: as in JSON, but for one character that it does not take as it is.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\x7f', "\\u007f")
}
