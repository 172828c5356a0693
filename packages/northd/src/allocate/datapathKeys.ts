/** Which tunnel keys datapaths may have (ovn-architecture(7), "Tunnel Encapsulations"; ovn-nb(5), Logical_Switch:other_config). */

export interface DatapathKeys {
  /** Where tunnels are VXLAN's, keys are as short as its header. */
  readonly vxlan: boolean;
  /** The largest that is given unasked; those beyond are left to others: NB_Global:options:max_tunid. */
  readonly max: number;
  /** The largest that may be asked for: those of transit switches are above the others. */
  readonly requestable: number;
}

/** `interconnectVxlan`: other zones are reached by VXLAN, so that a part of its short keys is for transit switches. */
export function datapathKeys(vxlan: boolean, interconnectVxlan: boolean): DatapathKeys {
  const max = interconnectVxlan ? 1023 : vxlan ? 4095 : 16_711_680;
  return { vxlan, max, requestable: vxlan ? 4095 : 16_777_215 };
}
