#include "storage/limit_store.hpp"

#include <boost/json/stream_parser.hpp>
#include <stdexcept>

namespace rowlock::storage {

namespace {

std::string name_of(limit_kind kind)
{
    return std::string(limit_kind_names[static_cast<std::size_t>(kind)]);
}

// "{a,NULL,...}", or null where there is nothing.
std::optional<std::string> array_of(const resource_amounts& resources)
{
    if (!resources.any()) return std::nullopt;
    std::string text = "{";
    for (const auto& amount : resources.amounts) text += (text.size() > 1 ? "," : "") + (amount ? std::to_string(*amount) : std::string("NULL"));
    return text + "}";
}

// The message is a JSON array, and after it comes where the function stood.
boost::json::array array_in(std::string_view message)
{
    const auto begin = message.find('[');
    if (begin == std::string_view::npos) return {};
    boost::json::stream_parser parser;
    boost::system::error_code ec;
    parser.write_some(message.data() + begin, message.size() - begin, ec);
    if (ec || !parser.done()) return {};
    auto value = parser.release();
    return value.is_array() ? std::move(value.get_array()) : boost::json::array{};
}

}

limits_reached_error::limits_reached_error(const std::string& what) : std::runtime_error(what)
{
    for (const auto& each : array_in(what)) {
        const auto& o = each.as_object();
        reached_limit limit{std::string(o.at("kind").as_string()), std::string(o.at("key").as_string()), o.at("max_running").to_number<std::int64_t>(),
                            o.at("in_use").to_number<std::int64_t>(), o.at("room").to_number<std::int64_t>(), {}};
        for (const auto& lane : o.at("lanes").as_array()) limit.lanes.push_back({lane.to_number<int>()});
        limits_.push_back(std::move(limit));
    }
    if (limits_.empty()) throw std::logic_error("what refuses a submission names no limit: " + what);
}

#define ROWLOCK_LIMIT_PLACE "v.kind || ' ' || v.key || ' ' || coalesce(v.tenant_id, '')"

constexpr statement list_limits_statement{"list_limits",
    "select limit_json_1(v), " ROWLOCK_LIMIT_PLACE " from v_limits v"
    " where (v.tenant_id is null or v.tenant_id = (select tenant_id from tenants where tenant_key = $1) or ($2 and v.kind = 'tenant'))"
    " and (" ROWLOCK_LIMIT_PLACE ") collate \"C\" > $3 order by (" ROWLOCK_LIMIT_PLACE ") collate \"C\" limit $4"};

page list_limits_json(session& s, tenant_key tenant, bool all_tenants, int limit, const std::string& cursor)
{
    return page_of(s.exec(list_limits_statement, tenant.value, all_tenants, cursor, limit + 1), limit);
}

constexpr statement find_limit_statement{"find_limit", R"sql(
    select limit_json_1(v) from v_limits v
    where v.kind = $1 and v.key = $3 and v.tenant_id is not distinct from (select tenant_id from tenants where tenant_key = $2))sql"};

std::optional<std::string> find_limit_json(session& s, limit_kind kind, tenant_key of, const std::string& key)
{
    const auto rows = s.exec(find_limit_statement, name_of(kind), of.value, key);
    if (rows.empty()) return std::nullopt;
    return rows[0][0].c_str();
}

constexpr statement put_limit_statement{"put_limit", "select put_limit_1($1, $2, $3, nullif($4, -1), $5, nullif($6, 0), nullif($7::int8, 0), $8::int[], $9)"};

void put_limit(session& s, limit_kind kind, tenant_key of, const std::string& key, const limit_to_put& limit, const std::string& actor)
{
    const auto resources = array_of(limit.resources);
    s.exec(put_limit_statement, name_of(kind), of.value, key, limit.max_running.value_or(-1), limit.rejects, limit.rate ? limit.rate->starts : 0,
           limit.rate ? limit.rate->per.count() : 0, resources ? resources->c_str() : nullptr, actor);
}

constexpr statement delete_limit_statement{"delete_limit", "select delete_limit_1($1, $2, $3, $4)"};

bool delete_limit(session& s, limit_kind kind, tenant_key of, const std::string& key, const std::string& actor)
{
    return s.exec(delete_limit_statement, name_of(kind), of.value, key, actor)[0][0].as<bool>();
}

constexpr statement enforce_due_limits_statement{"enforce_due_limits", "select enforce_due_limits_1()"};

void enforce_due_limits(session& s)
{
    s.exec(enforce_due_limits_statement);
}

}
