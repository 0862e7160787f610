//! Notices about one of several targets: each with the name of its target.

use std::time::SystemTime;

use serde::Serialize;

use super::notice::{Notice, Tone};

/// A notice with the name of the target that it is about, if there are several.
#[derive(Serialize)]
pub(crate) struct Named<'a, N> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) notice: &'a N,
}

impl<N: Notice> Notice for Named<'_, N> {
    fn kind(&self) -> Option<&'static str> {
        self.notice.kind()
    }

    fn words(&self) -> Vec<String> {
        let words = self.notice.words();
        match self.name {
            None => words,
            Some(name) => words.into_iter().map(|line| format!("{name}: {line}")).collect(),
        }
    }

    fn tone(&self) -> Tone {
        self.notice.tone()
    }

    fn time(&self) -> Option<SystemTime> {
        self.notice.time()
    }

    fn is_timed(&self) -> bool {
        self.notice.is_timed()
    }

    fn hint(&self) -> Option<String> {
        self.notice.hint()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::notice::Remark;
    use super::*;

    #[test]
    fn lines_and_objects_of_one_of_several_targets_have_its_name() {
        let notice = &Remark::complaint("gone");
        let (one, alone) = (Named { name: Some("office"), notice }, Named { name: None, notice });
        assert_eq!((one.words(), alone.words()), (vec!["office: gone".to_owned()], vec!["gone".to_owned()]));
        assert_eq!(serde_json::to_value(&one).unwrap(), json!({"name": "office", "error": "gone"}));
        assert_eq!(serde_json::to_value(&alone).unwrap(), json!({"error": "gone"}));
        assert_eq!((one.kind(), one.tone()), (Some("trouble"), Tone::Complaint));
    }
}
