"""PASCAL-5i: its lists, VOC on disk, and the builders."""
