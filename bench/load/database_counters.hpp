#pragma once

#include <memory>
#include <string>

namespace rowlock::bench {

// A database session that reads counters of PostgreSQL. Throws what libpqxx throws.
class database_counters {
public:
    explicit database_counters(const std::string& database_url);
    ~database_counters();
    database_counters(database_counters&&) noexcept;
    database_counters& operator=(database_counters&&) noexcept;

    // Bytes written since the cluster was made.
    double position();
    // Transactions that have ended in this database, those of this session included.
    double transactions();

private:
    struct session;
    std::unique_ptr<session> session_;
};

}
