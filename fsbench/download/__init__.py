"""Raw data from its hosts: resumable, verified, unpacked without trust."""
