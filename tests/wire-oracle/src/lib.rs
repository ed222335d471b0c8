//! Sends our wire bodies through the models of `azure_mgmt_batch`, `_compute` and `_network` and back.
