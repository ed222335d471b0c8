//! manager-vm.
