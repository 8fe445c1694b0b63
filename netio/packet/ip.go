package packet

var protoIP, protoIP6, protoIP6Frag *Proto
