// A dimension of a dispatch holds at most 65,535 workgroups: the launcher folds larger grids into x and y.
fn group_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x + id.x;
}
