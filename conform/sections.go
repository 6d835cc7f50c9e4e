package conform

// sections are the chapters. 1 to 7, 9, 10, 12 and 13 ask what the known suite asks
// in its sections of these numbers; the others are ours.
var sections = []section{
	{1, "Messages", messages},
	{2, "Pings and pongs", pings},
	{3, "Reserved bits", reservedBits},
	{4, "Opcodes", opcodes},
	{5, "Fragmentation", fragmentation},
	{6, "UTF-8", utf8Cases},
	{7, "Closing", closings},
	{8, "Opening handshake", handshakes},
	{9, "Sizes and limits", sizes},
	{10, "Automatic fragmentation", autoFragmentation},
	{11, "Headers: masks and lengths", headers},
	{12, "Compression: payloads", compressedPayloads},
	{13, "Compression: parameters", compressedParameters},
	{14, "Compression: what must be refused", compressedWrong},
	{15, "Transport", transports},
	{16, "Time and fairness", fairness},
}
