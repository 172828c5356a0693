/** Bytes as hex and text, sixteen a line, as ovs-ofctl dumps them. */
export function hexDump(bytes: Uint8Array, withText = true): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 16) {
    text += at.toString(16).padStart(8, "0") + " ";
    let plain = "";
    for (let i = 0; i < 16; i++) {
      const byte = bytes[at + i];
      text += i === 8 ? "-" : " ";
      text += byte === undefined ? "  " : byte.toString(16).padStart(2, "0");
      plain += byte === undefined ? " " : byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".";
    }
    text = withText ? `${text} |${plain}|\n` : `${text.replace(/[- ]+$/, "")}\n`;
  }
  // The gap between the two halves is a space where nothing follows.
  return text.replaceAll(/-(?= {2} )/g, " ");
}
