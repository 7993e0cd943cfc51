"""The networks of Darknet as cfg texts, written as their authors describe them, apart from `nets/`.

YOLOv3: https://arxiv.org/abs/1804.02767; YOLOv4: https://arxiv.org/abs/2004.10934; YOLOv4-tiny:
https://arxiv.org/abs/2011.08036.
"""


class Cfg:
    """A cfg text that grows layer by layer; `last` is the number of the newest layer."""

    def __init__(self, side):
        self.sections = [f"[net]\nwidth={side}\nheight={side}\nchannels=3"]
        self.last = -1

    def add(self, kind, **options):
        lines = "\n".join(f"{name}={value}" for name, value in options.items())
        self.sections.append(f"[{kind}]\n{lines}")
        self.last += 1
        return self.last

    def conv(self, filters, size, stride=1, activation="leaky"):
        options = {"filters": filters, "size": size, "stride": stride, "pad": 1, "activation": activation}
        return self.add("convolutional", batch_normalize=1, **options)

    def residual(self, narrow, wide, activation):
        self.conv(narrow, 1, 1, activation)
        self.conv(wide, 3, 1, activation)
        return self.add("shortcut", **{"from": -3}, activation="linear")

    def route(self, *layers, **options):
        return self.add("route", layers=",".join(map(str, layers)), **options)

    def pool(self, size, stride):
        return self.add("maxpool", size=size, stride=stride)

    def upsample(self):
        return self.add("upsample", stride=2)

    def alternating(self, narrow, wide, number):
        """Convolutions 1x1 to `narrow` and 3x3 to `wide` channels in turn; the last one's number."""
        for index in range(number):
            self.conv(narrow if index % 2 == 0 else wide, 1 if index % 2 == 0 else 3)
        return self.last

    def predict(self, classes, per_cell=3):
        filters = per_cell * (5 + classes)
        self.add("convolutional", size=1, stride=1, pad=1, filters=filters, activation="linear")
        anchors = ",".join(["10,10"] * per_cell)
        mask = ",".join(map(str, range(per_cell)))
        return self.add("yolo", mask=mask, anchors=anchors, classes=classes, num=per_cell)

    def text(self):
        return "\n\n".join(self.sections) + "\n"


def yolov3(side, classes):
    net = Cfg(side)
    net.conv(32, 3)
    ends = []
    for width, depth in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        net.conv(width, 3, 2)
        for _ in range(depth):
            net.residual(width // 2, width, "leaky")
        ends.append(net.last)
    for width, earlier in ((512, None), (256, ends[3]), (128, ends[2])):
        if earlier is not None:
            net.route(-4)
            net.conv(width, 1)
            net.upsample()
            net.route(-1, earlier)
        net.alternating(width, 2 * width, 6)
        net.predict(classes)
    return net.text()


def yolov4(side, classes):
    net = Cfg(side)
    net.conv(32, 3, 1, "mish")
    ends = []
    for width, depth in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        half = width if width == 64 else width // 2
        net.conv(width, 3, 2, "mish")
        bypass = net.conv(half, 1, 1, "mish")
        net.route(-2)
        net.conv(half, 1, 1, "mish")
        for _ in range(depth):
            net.residual(width // 2, half, "mish")
        net.conv(half, 1, 1, "mish")
        net.route(-1, bypass)
        ends.append(net.conv(width, 1, 1, "mish"))
    before = net.alternating(512, 1024, 3)
    pools = [net.pool(5, 1)]
    net.route(before)
    pools.append(net.pool(9, 1))
    net.route(before)
    pools.append(net.pool(13, 1))
    net.route(pools[2], pools[1], pools[0], before)
    merged = [net.alternating(512, 1024, 3)]
    for width, earlier in ((256, ends[3]), (128, ends[2])):
        net.conv(width, 1)
        up = net.upsample()
        net.route(earlier)
        net.conv(width, 1)
        net.route(-1, up)
        merged.append(net.alternating(width, 2 * width, 5))
    fine = merged[2]
    net.conv(256, 3)
    net.predict(classes)
    for width, coarser in ((256, merged[1]), (512, merged[0])):
        net.route(fine)
        net.conv(width, 3, 2)
        net.route(-1, coarser)
        fine = net.alternating(width, 2 * width, 5)
        net.conv(2 * width, 3)
        net.predict(classes)
    return net.text()


def yolov4_tiny(side, classes):
    net = Cfg(side)
    net.conv(32, 3, 2)
    net.conv(64, 3, 2)
    for width in (64, 128, 256):
        whole = net.conv(width, 3)
        net.route(-1, groups=2, group_id=1)
        first = net.conv(width // 2, 3)
        net.conv(width // 2, 3)
        net.route(-1, first)
        merged = net.conv(width, 1)
        net.route(whole, merged)
        net.pool(2, 2)
    net.conv(512, 3)
    coarse = net.conv(256, 1)
    net.conv(512, 3)
    net.predict(classes)
    net.route(coarse)
    net.conv(128, 1)
    net.upsample()
    net.route(-1, merged)
    net.conv(256, 3)
    net.predict(classes)
    return net.text()


NETWORKS = {"yolov3": yolov3, "yolov4": yolov4, "yolov4_tiny": yolov4_tiny}
