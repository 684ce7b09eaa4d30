#pragma once

#include "storage/model/ids.hpp"
#include "storage/model/limit.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::storage {

// Limits as they are read and set (0019). A limit is of one tenant, or of all: then its tenant is no_tenant.
inline constexpr tenant_key no_tenant{0};

// The limits of the tenant and those of all, by kind and key; where `all_tenants`, also those on each tenant. `cursor`: of the page before, "" at first.
page list_limits_json(session& s, tenant_key tenant, bool all_tenants, int limit, const std::string& cursor);
// In force, whoever asked for it.
std::optional<std::string> find_limit_json(session& s, limit_kind kind, tenant_key of, const std::string& key);

// In force when it returns: what runs already is counted.
void put_limit(session& s, limit_kind kind, tenant_key of, const std::string& key, const limit_to_put& limit, const std::string& actor);
// false: nobody has put it.
bool delete_limit(session& s, limit_kind kind, tenant_key of, const std::string& key, const std::string& actor);
// Brings into force what definitions have changed. A statement of its own, in no transaction.
void enforce_due_limits(session& s);

// A limit that rejects is reached: nothing was stored.
struct reached_limit {
    std::string kind;
    std::string key;
    std::int64_t max_running = 0;
    std::int64_t in_use = 0;
    std::int64_t room = 0;               // so many more could start
    std::vector<lane_id> lanes;          // that it holds, of those submitted to
};
class limits_reached_error : public std::runtime_error {
public:
    explicit limits_reached_error(const std::string& what);
    const std::vector<reached_limit>& limits() const { return limits_; }

private:
    std::vector<reached_limit> limits_;
};

}
