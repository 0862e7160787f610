//! The texts of all points: what is right, why it matters, what to change, and where the lesson explains it.

pub(super) mod server;

use super::point::Section;

/// Sections of the lesson.
const SERVER: Section = Section { english: "1. The server", indonesian: "1. Server" };
const CLIENT: Section = Section { english: "2. The client", indonesian: "2. Klien" };
const RECEIVER: Section = Section { english: "3. The broadcast receiver", indonesian: "3. Penerima siaran" };
const SENDER: Section = Section { english: "4. The broadcast sender", indonesian: "4. Pengirim siaran" };
const UDP: Section = Section { english: "What UDP is", indonesian: "Seperti apa UDP itu" };
