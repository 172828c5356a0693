/**
 * Templates (ovn-sb(5), Chassis_Template_Var): "^NAME" in matches, actions and VIPs stands for what this chassis' row says of NAME.
 */
import { derive, index, type Read } from "@weft/incremental";
import type { Uuid } from "@weft/ovsdb";
import type { SbRow } from "@weft/schemas";
import { config } from "./config.ts";
import { sb } from "./inputs.ts";

const rowsByChassis = index<string, Uuid, SbRow<"Chassis_Template_Var">>("templatesByChassis", sb.Chassis_Template_Var, (row) => [
  row.chassis,
]);

const variable = derive<string, string | undefined>("templateVariable", (name, read) => {
  const chassis = read(config, 0)?.chassis;
  const uuid = chassis === undefined ? undefined : read(rowsByChassis, chassis)[0];
  return uuid === undefined ? undefined : read(sb.Chassis_Template_Var, uuid)?.variables.get(name);
});

/** A string in quotes, in which nothing is replaced, or a variable. */
const TOKEN = /"(?:[^"\\]|\\.)*"|\^([A-Za-z_.][\w.]*)/g;

/** The text with the values of its variables; undefined where one has none here, so that the text says nothing on this chassis. */
export function expanded(read: Read, text: string): string | undefined {
  if (!text.includes("^")) return text;
  let known = true;
  const result = text.replace(TOKEN, (token, name: string | undefined) => {
    if (name === undefined) return token;
    const value = read(variable, name);
    if (value === undefined) known = false;
    return value ?? "";
  });
  return known ? result : undefined;
}
