//! Paths around the limiter that a node shows without being asked much: kinds of devices, files in /sys.

use std::fs;
use std::path::Path;

use crate::netlink::Link;

/// Why limits cannot hold on an instance-facing device of this kind; none where they can.
pub fn of_device(link: &Link) -> Option<String> {
    match link.kind.as_deref() {
        Some(kind @ ("macvtap" | "macvlan" | "ipvlan" | "ipvtap")) => Some(format!(
            "a {kind} is the instance's own side, with up and down swapped: use a tap or veth with a bridge or routes"
        )),
        _ => None,
    }
}

/// What may carry packets past a device's hooks, as `sys` (`/sys/class/net`) shows it, each with its
/// remedy.
pub fn of_hardware(sys: &Path, name: &str) -> Vec<(String, &'static str)> {
    let folder = sys.join(name);
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    let mut found = Vec::new();
    if let Some(count) = read("device/sriov_numvfs").filter(|count| count != "0") {
        let note = format!("{count} SR-IOV functions: what a guest sends through its own is not seen here");
        found.push((note, "give limited guests none"));
    }
    // The file is in every folder; reading it fails but for ports of a switch in hardware.
    if read("phys_switch_id").is_some_and(|id| !id.is_empty()) {
        let note = "a port of a hardware switch: flows it forwards by itself are not seen here".to_owned();
        found.push((note, "ethtool -K DEVICE hw-tc-offload off"));
    }
    found
}

/// Sockets of vhost-user in `unix` (`/proc/net/unix`): guests behind them have no device here.
pub fn vhost_user(unix: &str) -> Vec<&str> {
    let paths = unix.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(7));
    let mut paths: Vec<&str> = paths.filter(|path| path.contains("vhost") || path.contains("vhu")).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: Option<&str>) -> Link {
        Link {
            ifindex: 1,
            name: "x".into(),
            kind: kind.map(str::to_owned),
            master_ifindex: None,
            parent_ifindex: None,
            has_mac: true,
            up: true,
            mtu_bytes: 1500,
            tx_queues: 1,
            tx_queue_packets: 1000,
        }
    }

    #[test]
    fn devices_whose_hooks_see_the_wrong_side() {
        assert!(of_device(&link(Some("macvtap"))).is_some_and(|why| why.contains("swapped")));
        for kind in [None, Some("veth"), Some("tun"), Some("bridge"), Some("vlan"), Some("netkit")] {
            assert_eq!(of_device(&link(kind)), None);
        }
    }

    #[test]
    fn hardware_that_forwards_by_itself() {
        let sys = tempfile::tempdir().expect("a folder");
        let put = |name: &str, file: &str, text: &str| {
            let path = sys.path().join(name).join(file);
            fs::create_dir_all(path.parent().expect("in a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        put("plain", "device/sriov_numvfs", "0\n");
        put("virtual", "device/sriov_numvfs", "8\n");
        put("port", "phys_switch_id", "b8599f0300a1\n");
        assert!(of_hardware(sys.path(), "plain").is_empty() && of_hardware(sys.path(), "gone").is_empty());
        assert!(of_hardware(sys.path(), "virtual")[0].0.starts_with("8 SR-IOV functions"));
        assert!(of_hardware(sys.path(), "port")[0].1.ends_with("hw-tc-offload off"));
    }

    #[test]
    fn guests_without_a_device() {
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 24870 /run/dbus/system_bus_socket\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 24871 /run/openvswitch/vhost-user-1\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 24872\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 24873 /run/openvswitch/vhost-user-1\n";
        assert_eq!(vhost_user(unix), ["/run/openvswitch/vhost-user-1"]);
        assert!(vhost_user("").is_empty());
    }
}
