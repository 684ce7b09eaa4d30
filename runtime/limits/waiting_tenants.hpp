#pragma once

#include "storage/model/ids.hpp"

#include <atomic>

namespace rowlock::runtime {

// Whose work waits for a slot of this instance, as the last look has found it. While others' does, nobody's new work goes before it. Any thread.
class waiting_tenants {
public:
    void nobody() { whose_.store(0, std::memory_order_relaxed); }
    void only(tenant_key tenant) { whose_.store(tenant.value, std::memory_order_relaxed); }
    void several() { whose_.store(many, std::memory_order_relaxed); }

    bool has_others_than(tenant_key tenant) const
    {
        const int whose = whose_.load(std::memory_order_relaxed);
        return whose != 0 && whose != tenant.value;
    }

private:
    static constexpr int many = -1;

    std::atomic<int> whose_{0};
};

}
