"""Dataset formats: convert VOC, COCO, YOLO and list files to and from the dataset index."""
