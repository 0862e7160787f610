//! What must hold whatever the bytes are: the properties of the fuzz targets (`fuzz/`), and their corpora as tests.

mod decoding;
mod formats;
mod frame;
#[path = "../../../fuzz/shared/made.rs"]
mod made;
pub(crate) mod maker;
mod reading;
mod reassembling;
mod rotation;
mod writing;

pub use decoding::decoding;
pub use formats::formats;
pub use reading::reading;
pub use reassembling::reassembling;
pub use rotation::rotation;
pub use writing::writing;

#[cfg(test)]
#[path = "../../../fuzz/shared/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_holds() {
        corpus::run("reading", reading);
    }

    #[test]
    fn formats_hold() {
        corpus::run("formats", formats);
    }

    #[test]
    fn decoding_holds() {
        corpus::run("decoding", decoding);
    }

    #[test]
    fn reassembling_holds() {
        corpus::run("reassembling", reassembling);
    }

    #[test]
    fn writing_holds() {
        corpus::run("writing", writing);
    }

    #[test]
    fn rotation_holds() {
        corpus::run("rotation", rotation);
    }
}
