/** Commands of ovn-nbctl that make a group of chassis, the last the most wanted; in their transaction it is `@name`. */
export function chassisGroup(name: string, chassis: readonly string[]): string[] {
  const members = chassis.map((_, i) => `@${name}-${i}`);
  return [
    ...chassis.map((one, i) => `--id=@${name}-${i} create HA_Chassis chassis_name=${one} priority=${10 * (1 + i)}`),
    `--id=@${name} create HA_Chassis_Group name=${name} ha_chassis=${members.join()}`,
  ];
}
