//! What must hold whatever the bytes are: the properties of the fuzz targets (`fuzz/`), and their corpora as tests.

mod engines;
#[path = "../../../fuzz/shared/made.rs"]
mod made;
mod reflect;
mod stamp;
#[cfg(target_os = "linux")]
mod system;
mod templates;
mod trains;

pub use engines::engines;
pub use reflect::reflect;
pub use stamp::stamp;
#[cfg(target_os = "linux")]
pub use system::{control_messages, netlink};
pub use templates::templates;
pub use trains::trains;

#[cfg(test)]
#[path = "../../../fuzz/shared/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_hold() {
        corpus::run("templates", templates);
    }

    #[test]
    fn engines_hold() {
        corpus::run("engines", engines);
    }

    #[test]
    fn trains_hold() {
        corpus::run("trains", trains);
    }

    #[test]
    fn reflect_holds() {
        corpus::run("reflect", reflect);
    }

    #[test]
    fn stamp_holds() {
        corpus::run("stamp", stamp);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn control_messages_hold() {
        corpus::run("control_messages", control_messages);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn netlink_holds() {
        corpus::run("netlink", netlink);
    }
}
