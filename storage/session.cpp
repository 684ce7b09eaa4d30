#include "storage/session.hpp"

#include "storage/connection_defaults.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <pqxx/util>

namespace rowlock::storage {

namespace {

// Arrays have no statistics, so plans made for the values wander; the statements of the queue are written for one plan.
constexpr const char* queue_settings =
    "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_bitmapscan = off; set enable_mergejoin = off;";
constexpr const char* general_settings = "set plan_cache_mode = force_custom_plan;";

constexpr const char* common_settings = R"sql(
    set client_min_messages = warning;
    set jit = off;
    set timezone = 'UTC';
    set datestyle = 'ISO';
    set standard_conforming_strings = on;
    set search_path = rowlock, pg_temp;
    set lock_timeout = '5s';
    set idle_in_transaction_session_timeout = '10s';
    set client_connection_check_interval = '2s';
)sql";

// The service works under a role that cannot change history. Where the connecting role may not take it (no role was made: a
// restricted server), the triggers alone guard history.
constexpr const char* take_role = R"sql(
    select set_config('role', 'rowlock_app', false) from pg_roles
    where rolname = 'rowlock_app' and pg_has_role(session_user, oid, 'member')
)sql";

// libpqxx prints notices to stderr unless somebody takes them.
class silence : public pqxx::errorhandler {
public:
    explicit silence(pqxx::connection_base& c) : pqxx::errorhandler(c) {}
    bool operator()(const char[]) noexcept override { return false; }
};

}

session::session(session_options options) : options_(std::move(options))
{
    options_.url = with_connection_defaults(options_.url);
}

session::~session()
{
    disconnect();
}

void session::connect()
{
    if (connection_) return;
    auto fresh = std::make_unique<pqxx::connection>(options_.url);
    // libpqxx 6 would reconnect silently, and with it a commit in doubt would go unnoticed.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    fresh->inhibit_reactivation(true);
#pragma GCC diagnostic pop
    auto quiet = std::make_unique<silence>(*fresh);
    {
        pqxx::nontransaction tx(*fresh);
        tx.exec(common_settings);
        tx.exec(options_.kind == session_kind::queue ? queue_settings : general_settings);
        tx.exec("set statement_timeout = " + std::to_string(options_.statement_timeout.count()));
        tx.exec("set application_name = " + tx.quote(options_.application_name));
        tx.exec(take_role);
    }
    prepared_.clear();
    connection_ = std::move(fresh);
    quiet_ = std::move(quiet);
}

void session::disconnect() noexcept
{
    quiet_.reset();
    connection_.reset();
    prepared_.clear();
}

pqxx::connection& session::raw()
{
    connect();
    return *connection_;
}

void session::prepare(const statement& s)
{
    if (prepared_.contains(s.name)) return;
    connection_->prepare(s.name, s.sql);
    prepared_.insert(s.name);
}

pqxx::result session::run(std::string_view sql)
{
    return guarded([&] {
        pqxx::nontransaction tx(*connection_);
        return tx.exec(std::string(sql));
    });
}

void session::after_failure() noexcept
{
    if (connection_ && !connection_->is_open()) disconnect();
}

std::string sqlstate_of(const pqxx::sql_error& e)
{
    return e.sqlstate();
}

namespace {

template <std::size_t N>
bool has_sqlstate(const std::exception& e, const std::array<const char*, N>& prefixes)
{
    const auto* sql = dynamic_cast<const pqxx::sql_error*>(&e);
    return sql != nullptr &&
           std::any_of(prefixes.begin(), prefixes.end(), [sql](const char* prefix) { return std::strncmp(sql->sqlstate().c_str(), prefix, std::strlen(prefix)) == 0; });
}

}

bool is_away(const std::exception& e)
{
    if (dynamic_cast<const pqxx::broken_connection*>(&e) != nullptr || dynamic_cast<const pqxx::in_doubt_error*>(&e) != nullptr) return true;
    // Class 57P: shutdown, crash, cannot connect now. 08: connection. 25006: a standby that is not promoted yet. 53300: too many connections.
    static constexpr std::array<const char*, 4> prefixes{"57P", "08", "25006", "53300"};
    return has_sqlstate(e, prefixes);
}

bool is_passing(const std::exception& e)
{
    // libpqxx 6 has no SQLSTATE for class 40, deadlocks and the like.
    if (dynamic_cast<const pqxx::transaction_rollback*>(&e) != nullptr) return true;
    // 40: deadlock. 53: disk, memory. 55P03: lock_timeout. 57014: statement_timeout, or an administrator's cancel. 58: the system.
    static constexpr std::array<const char*, 5> prefixes{"40", "53", "55P03", "57014", "58"};
    return has_sqlstate(e, prefixes);
}

}
