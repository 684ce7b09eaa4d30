#include "storage/migrator.hpp"

#include "storage/connection_defaults.hpp"
#include "storage/migrations.hpp"
#include "storage/session.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <map>

namespace rowlock::storage {

namespace {

constexpr int oldest_server = 150000;
// Whoever migrates holds this, so that the others wait and then find nothing to do.
constexpr const char* take_turns = "select pg_advisory_xact_lock(1919906155, 0)";

std::string checksum(std::string_view text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr);
    std::string hex;
    for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
    return hex;
}

error refusal(std::string why)
{
    return error{errc::internal, std::move(why)};
}

// What has been applied: number -> checksum.
using applied_migrations = std::map<int, std::string>;

applied_migrations read_applied(pqxx::transaction_base& tx)
{
    applied_migrations applied;
    if (tx.exec("select to_regclass('rowlock.migrations')")[0][0].is_null()) return applied;
    for (const auto& row : tx.exec("select number, checksum from rowlock.migrations")) applied[row[0].as<int>()] = row[1].as<std::string>();
    return applied;
}

// What stands against going on from here; empty if nothing does.
std::string objection(const applied_migrations& applied)
{
    const auto& all = all_migrations();
    for (const auto& [number, sum] : applied) {
        const auto ours = std::find_if(all.begin(), all.end(), [n = number](const migration& m) { return m.number == n; });
        if (ours == all.end()) return fmt::format("the database has migration {}, which this program does not know: run a newer Rowlock", number);
        if (checksum(ours->text) != sum) return fmt::format("migration {} was applied with other contents than this program has: run the Rowlock that made the database, or restore it", ours->name);
    }
    return {};
}

std::string server_objection(const pqxx::connection& c)
{
    if (c.server_version() >= oldest_server) return {};
    return fmt::format("PostgreSQL 15 or later is needed, the server is {}.{}", c.server_version() / 10000, c.server_version() % 10000);
}

result<migration_report> apply(pqxx::connection& c, bool dry_run)
{
    if (auto why = server_objection(c); !why.empty()) return refusal(why);
    pqxx::work tx(c);
    tx.exec("set local client_min_messages = warning; set local lock_timeout = '60s'");
    tx.exec(take_turns);
    const auto applied = read_applied(tx);
    if (auto why = objection(applied); !why.empty()) return refusal(why);

    migration_report report;
    report.found = applied.empty() ? 0 : applied.rbegin()->first;
    for (const auto& m : all_migrations()) {
        if (applied.contains(m.number)) continue;
        report.applied.emplace_back(m.name);
        if (dry_run) continue;
        if (applied.empty() && report.applied.size() == 1) {
            tx.exec("create schema if not exists rowlock");
            tx.exec("create table rowlock.migrations (number int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())");
        }
        tx.exec("set local search_path = rowlock, pg_temp");
        tx.exec(std::string(m.text));
        tx.exec_params("insert into rowlock.migrations (number, name, checksum) values ($1, $2, $3)", m.number, std::string(m.name), checksum(m.text));
    }
    if (dry_run) {
        tx.abort();
    } else {
        tx.commit();
    }
    return report;
}

// Connects and calls f(connection); what cannot be expected to work becomes an error.
template <class F>
auto with_connection(const std::string& url, F f) -> decltype(f(std::declval<pqxx::connection&>()))
{
    try {
        pqxx::connection c(with_connection_defaults(url));
        return f(c);
    } catch (const pqxx::sql_error& e) {
        return refusal(fmt::format("the database refused: {}", e.what()));
    } catch (const std::exception& e) {
        if (is_away(e)) return error{errc::database_unavailable, fmt::format("the database cannot be reached: {}", e.what())};
        return refusal(e.what());
    }
}

}

result<migration_report> migrate(const std::string& url, bool dry_run)
{
    return with_connection(url, [&](pqxx::connection& c) { return apply(c, dry_run); });
}

result<void> check_migrated(const std::string& url)
{
    return with_connection(url, [](pqxx::connection& c) -> result<void> {
        if (auto why = server_objection(c); !why.empty()) return refusal(why);
        pqxx::nontransaction tx(c);
        const auto applied = read_applied(tx);
        if (auto why = objection(applied); !why.empty()) return refusal(why);
        if (applied.size() < all_migrations().size()) return refusal("the database is not migrated: run rowlock migrate");
        return {};
    });
}

}
