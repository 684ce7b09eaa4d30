#pragma once

#include "ops/doctor/doctor.hpp"
#include "storage/session.hpp"

#include <cstdint>

namespace rowlock::ops {

// The checks of a database, by what they look at. Each adds what it has found, at least one finding. They throw what libpqxx throws.
struct examination {
    storage::session& s;
    const doctor_limits& limits;
    std::vector<finding>& found;

    void add(severity level, std::string check, std::string detail, std::string remedy = {}) { found.push_back({level, std::move(check), std::move(detail), std::move(remedy)}); }
};

// settings.cpp
void check_version(examination& e);
void check_settings(examination& e);
// activity.cpp
void check_primary(examination& e);
void check_connections(examination& e);
void check_open_transactions(examination& e);
void check_prepared_transactions(examination& e);
void check_replication_slots(examination& e);
// tables.cpp
void check_bloat(examination& e);
void check_switched_off_vacuum(examination& e);
void check_transaction_ids(examination& e);
void check_disk(examination& e);
// cluster.cpp, all for a migrated database
void check_partitions(examination& e);
void check_instances(examination& e);
void check_clock(examination& e);
// retention.cpp, for a migrated database
void check_retention(examination& e);

// Do two sessions that are open at once have a server process each, for as long as they last? Not behind a pooler in transaction mode, where
// prepared statements, settings and LISTEN are lost between two statements.
finding check_pooling(storage::session& one, storage::session& other);

// What so much free space of so much in all is worth. Pure.
severity verdict_of_space(std::uint64_t available, std::uint64_t capacity);

}
