#include "storage/callback_store.hpp"

#include "storage/array.hpp"
#include "storage/rows.hpp"

#include <fmt/format.h>

namespace rowlock::storage {

namespace {

callback_state state_of(const execution_id& id, const pqxx::row& row, int from)
{
    callback_state state{.id = id};
    state.status = static_cast<execution_status>(row[from].as<int>());
    if (!row[from + 1].is_null()) state.progress = row[from + 1].as<double>();
    if (!row[from + 2].is_null()) state.reply = row[from + 2].c_str();
    state.reports = row[from + 3].as<int>();
    return state;
}

}

constexpr statement open_callback_statement{"open_callback", R"sql(
    insert into callbacks as c (execution_id, instance_id, fence, secret)
    select $1::uuid, $2::int, $3::int, $4 where not exists (select from results r where r.execution_id = $1::uuid)
    on conflict (execution_id) do update set instance_id = excluded.instance_id, fence = excluded.fence where c.fence <= excluded.fence
    returning c.secret, c.status, c.progress, c.reply, c.reports)sql"};

result<open_callback_answer> open_callback(session& s, const execution_id& id, instance_id owner, fence claim, const std::string& secret)
{
    const auto rows = s.exec(open_callback_statement, id.str(), owner.value, claim.value, secret);
    if (rows.empty()) return error{errc::already_ended, fmt::format("The execution {} is not this instance's any more.", id.str())};
    return open_callback_answer{rows[0][0].c_str(), state_of(id, rows[0], 1)};
}

constexpr statement callback_key_statement{"callback_key", R"sql(
    select exists (select from executions e where e.execution_id = $1), exists (select from results r where r.execution_id = $1),
           (select c.secret from callbacks c where c.execution_id = $1), floor(extract(epoch from clock()))::bigint)sql"};

callback_key find_callback_key(session& s, const execution_id& id)
{
    const auto row = s.exec(callback_key_statement, id.str())[0];
    callback_key key{.known = row[0].as<bool>(), .ended = row[1].as<bool>(), .now = row[3].as<std::int64_t>()};
    if (!row[2].is_null()) key.secret = row[2].c_str();
    return key;
}

constexpr statement accept_callback_statement{"accept_callback", "select accept_callback_1($1, $2::bytea, $3::smallint, $4::real, $5::json)"};

callback_verdict accept_callback(session& s, const execution_id& id, const std::string& signature, execution_status status, std::optional<double> progress,
                                 const std::string& reply)
{
    const std::string fraction = progress ? fmt::format("{}", *progress) : std::string();
    const auto rows = s.exec(accept_callback_statement, id.str(), pqxx::binarystring(signature.data(), signature.size()), static_cast<int>(status),
                             progress ? fraction.c_str() : nullptr, reply.empty() ? nullptr : reply.c_str());
    const std::string verdict = rows[0][0].c_str();
    if (verdict == "TAKEN") return callback_verdict::taken;
    if (verdict == "REPLAYED") return callback_verdict::replayed;
    return verdict == "REPORTED" ? callback_verdict::reported : callback_verdict::ended;
}

constexpr statement unseen_callbacks_statement{"unseen_callbacks", R"sql(
    select execution_id, status, progress, reply, reports from callbacks where instance_id = $1 and seen < reports limit $2)sql"};

std::vector<callback_state> unseen_callbacks(session& s, instance_id owner, int most)
{
    std::vector<callback_state> unseen;
    for (const auto& row : s.exec(unseen_callbacks_statement, owner.value, most)) unseen.push_back(state_of(id_of(row[0]), row, 1));
    return unseen;
}

constexpr statement mark_callbacks_statement{"mark_callbacks_seen", R"sql(
    update callbacks c set seen = u.n
    from (select x.execution_id, y.n from unnest($1::uuid[], $2::int[]) y (id, n) join callbacks x on x.execution_id = y.id order by x.execution_id for no key update of x) u
    where c.execution_id = u.execution_id and c.seen < u.n)sql"};

void mark_callbacks_seen(session& s, const std::vector<callback_state>& seen)
{
    array ids(array::element::uuid);
    array reports(array::element::int4);
    for (const auto& each : seen) {
        ids.add(each.id);
        reports.add(each.reports);
    }
    s.exec(mark_callbacks_statement, ids.parameter(), reports.parameter());
}

constexpr statement close_callbacks_statement{"close_callbacks", R"sql(
    delete from callbacks c using (
        select x.execution_id from unnest($1::uuid[]) y (id) join callbacks x on x.execution_id = y.id order by x.execution_id for update of x) gone
    where c.execution_id = gone.execution_id)sql"};

void close_callbacks(session& s, const std::vector<execution_id>& ids)
{
    array all(array::element::uuid);
    for (const auto& id : ids) all.add(id);
    s.exec(close_callbacks_statement, all.parameter());
}

constexpr statement sweep_callbacks_statement{"sweep_callbacks", "select sweep_callbacks_1($1)"};

int sweep_callbacks(session& s, int rows)
{
    return s.exec(sweep_callbacks_statement, rows)[0][0].as<int>();
}

}
