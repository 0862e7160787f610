//! Setters of options and metadata: named as their fields, chained, so that a new field breaks no program.

/// Implements a setter for each of these fields, named as the field: `Options::default().broadcast(true)`.
///
/// A setter takes the field's type. Behind `into` it takes what turns into it, which is the rule for `Option`, `String` and
/// `Vec`: `receive_buffer(1 << 20)` and `receive_buffer(None)`, `addresses([one, other])`.
///
/// For the crates of this project alone.
#[doc(hidden)]
#[macro_export]
macro_rules! setters {
    ($owner:ident $(<$($generic:tt),*>)? { $($fields:tt)* }) => {
        impl $(<$($generic),*>)? $owner $(<$($generic),*>)? {
            $crate::setter! { $($fields)* }
        }
    };
}

/// The setters of [`setters!`], one after another.
#[doc(hidden)]
#[macro_export]
macro_rules! setter {
    () => {};
    (into $field:ident: $type:ty, $($rest:tt)*) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        }
        $crate::setter! { $($rest)* }
    };
    ($field:ident: $type:ty, $($rest:tt)*) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](field@Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
        $crate::setter! { $($rest)* }
    };
}

pub(crate) use setters;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crate::{Interface, InterfaceAddress, Options, Transmit};

    #[test]
    fn setters_take_the_value_or_what_turns_into_it() {
        let options = Options::default().broadcast(true).receive_buffer(1 << 20).hop_limit(7).hop_limit(None);
        assert!(options.broadcast && !options.errors);
        assert_eq!((options.receive_buffer, options.hop_limit), (Some(1 << 20), None));
        let ip = IpAddr::from([192, 0, 2, 1]);
        let interface = Interface::new("eth0").mtu(1500).addresses([InterfaceAddress::new(ip, 24)]);
        assert_eq!((interface.name.as_str(), interface.mtu, interface.addresses[0].ip), ("eth0", Some(1500), ip));
        assert_eq!(Transmit::to((ip, 1).into()).local(ip).local, Some(ip));
    }
}
