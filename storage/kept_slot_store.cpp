#include "storage/kept_slot_store.hpp"

#include "storage/array.hpp"

namespace rowlock::storage {

constexpr statement begin_epoch_statement{"begin_epoch", "select begin_epoch_1($1)"};

int begin_epoch(session& s, instance_id owner)
{
    const auto rows = s.exec(begin_epoch_statement, owner.value);
    return rows[0][0].is_null() ? 0 : rows[0][0].as<int>();
}

constexpr statement read_kept_slots_statement{"read_kept_slots", "select limit_id, n from kept_slots where instance_id = $1 and n > 0"};

std::vector<kept_slots> read_kept_slots(session& s, instance_id owner)
{
    std::vector<kept_slots> kept;
    for (const auto& row : s.exec(read_kept_slots_statement, owner.value)) kept.push_back({{row[0].as<int>()}, row[1].as<std::int64_t>()});
    return kept;
}

constexpr statement give_up_kept_slots_statement{"give_up_kept_slots", "select give_up_kept_1($1, $2, $3::int[], $4::bigint[])"};

void give_up_kept_slots(session& s, instance_id owner, int epoch, const std::vector<kept_slots>& idle)
{
    array limits(array::element::int4);
    array ns(array::element::int8);
    for (const auto& each : idle) {
        limits.add(each.limit.value);
        ns.add(each.n);
    }
    s.exec(give_up_kept_slots_statement, owner.value, epoch, limits.parameter(), ns.parameter());
}

constexpr statement want_slots_statement{"want_slots", "select want_slots_1($1)"};

void want_slots(session& s, instance_id owner)
{
    s.exec(want_slots_statement, owner.value);
}

}
