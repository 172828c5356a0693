import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Kind, reference, Servers } from "./servers.ts";

const started: Servers[] = [];
afterEach(async () => {
  for (const servers of started.splice(0)) await servers.stop();
});

/** What OpenStack does with a database: ovs.db.idl with a lock, conditions, an index, verify and increment; then ovsdbapp. */
const SCRIPT = `
import sys, uuid
import ovs.db.idl, ovs.poller, ovs.ovsuuid
from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.ovn_northbound import impl_idl as nb_impl

remote = sys.argv[1]
helper = ovs.db.idl.SchemaHelper(location=sys.argv[2])
for table in ("Logical_Switch", "Logical_Switch_Port", "NB_Global", "ACL", "Address_Set"):
    helper.register_table(table)
idl = ovs.db.idl.Idl(remote, helper)
idl.set_lock("python")
idl.cond_change("Address_Set", [["name", "==", "as1"]])

def wait(holds, what):
    for _ in range(400):
        idl.run()
        if holds():
            return
        poller = ovs.poller.Poller()
        poller.timer_wait(50)
        idl.wait(poller)
        poller.block()
    print("never: " + what)
    sys.exit(1)

def commit(make):
    # "try again" while conditions are on their way.
    for _ in range(100):
        txn = ovs.db.idl.Transaction(idl)
        made = make(txn)
        status = txn.commit_block()
        if status != ovs.db.idl.Transaction.TRY_AGAIN:
            break
        seqno = idl.change_seqno
        wait(lambda: idl.change_seqno != seqno, "a change")
    # Which of two rows that collide is the first is an accident.
    print(ovs.db.idl.Transaction.status_to_string(status), str(txn.get_error()).split("First")[0])
    return txn, made

wait(lambda: idl.has_ever_connected() and idl.has_lock, "lock")
print("lock", idl.has_lock, idl.is_lock_contended)

def first(txn):
    txn.add_comment("from python")
    txn.insert(idl.tables["NB_Global"]).name = "py"
    sw = txn.insert(idl.tables["Logical_Switch"])
    sw.name = "s1"
    sw.external_ids = {"a": "b", "c": "d"}
    ports = []
    for i in range(3):
        port = txn.insert(idl.tables["Logical_Switch_Port"])
        port.name = "p%d" % i
        port.addresses = ["unknown", "dynamic"]
        ports.append(port)
    sw.ports = ports
    for name in ("as1", "as2"):
        s = txn.insert(idl.tables["Address_Set"])
        s.name = name
    return sw

txn, sw = commit(first)
real = txn.get_insert_uuid(sw.uuid)
sw = idl.tables["Logical_Switch"].rows[real]
print(sorted(p.name for p in sw.ports), sorted(sw.external_ids.items()))
print("sets", sorted(r.name for r in idl.tables["Address_Set"].rows.values()))
idl.cond_change("Address_Set", [True])
wait(lambda: len(idl.tables["Address_Set"].rows) == 2, "the other address set")
print("sets", sorted(r.name for r in idl.tables["Address_Set"].rows.values()))

def second(txn):
    sw.verify("external_ids")
    sw.setkey("external_ids", "e", "f")
    sw.delkey("external_ids", "a")
    sw.delvalue("ports", [p for p in sw.ports if p.name == "p0"][0])
    g = list(idl.tables["NB_Global"].rows.values())[0]
    g.increment("nb_cfg")
    return g

txn, g = commit(second)
print(txn.get_increment_new_value(), sorted(p.name for p in sw.ports), sorted(sw.external_ids.items()))
print("ports left", sorted(r.name for r in idl.tables["Logical_Switch_Port"].rows.values()))

def duplicate(txn):
    s = txn.insert(idl.tables["Address_Set"])
    s.name = "as1"
commit(duplicate)
commit(lambda txn: None)

api_idl = connection.OvsdbIdl.from_server(remote, "OVN_Northbound")
api = nb_impl.OvnNbApiIdlImpl(connection.Connection(api_idl, timeout=10))
with api.transaction(check_error=True) as t:
    t.add(api.ls_add("s2", external_ids={"x": "y"}))
    t.add(api.lsp_add("s2", "q1"))
    t.add(api.lsp_set_addresses("q1", ["50:54:00:00:00:01 10.0.0.1"]))
api.acl_add("s2", "to-lport", 1001, "ip4", "drop", log=True).execute(check_error=True)
print(sorted(s.name for s in api.ls_list().execute(check_error=True)))
print([p.addresses for p in api.lsp_list("s2").execute(check_error=True)])
print([(a.priority, a.match, a.action, a.log) for a in api.acl_list("s2").execute(check_error=True)])
api.db_set("Logical_Switch", "s2", ("external_ids", {"k": "v"})).execute(check_error=True)
print(sorted(api.db_get("Logical_Switch", "s2", "external_ids").execute(check_error=True).items()))
print(api.db_find("Logical_Switch", ("name", "=", "s2"), columns=["name"]).execute(check_error=True))
try:
    api.ls_add("s2").execute(check_error=True)
except Exception as e:
    print("refused", type(e).__name__)
api.ls_del("s2").execute(check_error=True)
print(sorted(s.name for s in api.ls_list().execute(check_error=True)))
wait(lambda: len(idl.tables["Logical_Switch"].rows) == 1, "the switch that went")
print("acls", len(idl.tables["ACL"].rows))
`;

async function story(kind: Kind): Promise<string> {
  const servers = new Servers();
  started.push(servers);
  const schema = join(reference, "share/ovn/ovn-nb.ovsschema");
  await servers.create("nb", schema);
  await servers.start(kind, "nb", ["nb.db"]);
  writeFileSync(join(servers.dir, "story.py"), SCRIPT);
  // Debian's Python has the libraries; another one may be first on PATH.
  const { out, err, code } = await servers.run("/usr/bin/python3", ["story.py", servers.socket("nb"), schema]);
  const text = `${out}${code === 0 ? "" : err}`;
  return text.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID");
}

test("Python's ovs.db.idl and ovsdbapp get from ours what they get from the reference", async () => {
  const [theirs, ours] = await Promise.all([story("reference"), story("weft")]);
  expect(theirs).toContain("refused");
  expect(ours).toBe(theirs);
});
