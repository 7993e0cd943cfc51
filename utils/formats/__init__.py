"""Dataset formats: VOC, COCO, YOLO and list files to the dataset index and back."""
