#include "bench/load/database_counters.hpp"

#include <pqxx/pqxx>

namespace rowlock::bench {

struct database_counters::session {
    explicit session(const std::string& url) : connection(url) {}

    double number(const char* query)
    {
        pqxx::nontransaction work(connection);
        return work.exec1(query)[0].as<double>();
    }

    pqxx::connection connection;
};

database_counters::database_counters(const std::string& database_url) : session_(std::make_unique<session>(database_url)) {}
database_counters::~database_counters() = default;
database_counters::database_counters(database_counters&&) noexcept = default;
database_counters& database_counters::operator=(database_counters&&) noexcept = default;

double database_counters::position()
{
    return session_->number("select pg_current_wal_insert_lsn() - '0/0'::pg_lsn");
}

double database_counters::transactions()
{
    return session_->number("select xact_commit + xact_rollback from pg_stat_database where datname = current_database()");
}

}
