{* Daily and monthly traffic: a chart as an image, and the same figures as a table for who cannot see it. *}
<link rel="stylesheet" href="{if isset($WEB_ROOT)}{$WEB_ROOT|escape}/{/if}modules/servers/turnpike/assets/turnpike.css?v={$turnpike.version|escape}">
<div class="turnpike">
    <ul class="turnpike-tabs nav nav-tabs">
        {foreach $turnpike.tabs as $tab}
        <li class="nav-item{if $tab.active} active{/if}"><a class="nav-link{if $tab.active} active{/if}" href="{$tab.url|escape}"{if $tab.active} aria-current="page"{/if}>{$tab.label|escape}</a></li>
        {/foreach}
    </ul>
    {foreach $turnpike.charts as $chart}
    <div class="card panel panel-default">
        <div class="card-header panel-heading"><h3 class="card-title panel-title">{$chart.title|escape}</h3></div>
        <div class="card-body panel-body">
            {if $chart.rows}
            {if $chart.image}<img class="turnpike-chart" src="{$chart.image|escape}" alt="{$chart.title|escape}">{/if}
            <details{if !$chart.image} open{/if}>
                <summary>{$turnpikeLang.figures|escape}</summary>
                <table class="table table-sm table-condensed">
                    <thead><tr><th scope="col">{$chart.label|escape}</th><th scope="col">{$turnpikeLang.download|escape}</th><th scope="col">{$turnpikeLang.upload|escape}</th></tr></thead>
                    <tbody>
                        {foreach $chart.rows as $row}
                        <tr><td>{$row.label|escape}</td><td>{$row.download|escape}</td><td>{$row.upload|escape}</td></tr>
                        {/foreach}
                    </tbody>
                </table>
            </details>
            {else}
            <p class="text-muted">{$turnpikeLang.no_statistics|escape}</p>
            {/if}
        </div>
    </div>
    {/foreach}
</div>
