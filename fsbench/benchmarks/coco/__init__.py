"""COCO-20i: its lists, annotations, masks and builders."""
