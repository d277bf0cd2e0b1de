
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Checkpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, unique=True)),
                ('kind', models.CharField(choices=[('base', 'base model'), ('reward_model', 'reward model'), ('sft', 'SFT model'), ('dpo', 'DPO model'), ('average', 'averaged model')], max_length=16)),
                ('path', models.CharField(max_length=1000)),
                ('content_hash', models.CharField(db_index=True, max_length=64)),
                ('recipe', models.JSONField(blank=True, default=dict)),
                ('metrics', models.JSONField(blank=True, default=dict)),
                ('produced_by', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='CheckpointParent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(max_length=64)),
                ('child', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parent_links', to='registry.checkpoint')),
                ('parent', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='child_links', to='registry.checkpoint')),
            ],
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='parents',
            field=models.ManyToManyField(related_name='children', through='registry.CheckpointParent', to='registry.checkpoint'),
        ),
        migrations.CreateModel(
            name='Deployment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200)),
                ('served_name', models.CharField(max_length=200)),
                ('base_url', models.CharField(blank=True, max_length=300)),
                ('state', models.CharField(choices=[('requested', 'requested'), ('starting', 'starting'), ('live', 'live'), ('failed', 'failed'), ('retired', 'retired')], default='requested', max_length=16)),
                ('managed', models.BooleanField(default=True)),
                ('error', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('live_at', models.DateTimeField(blank=True, null=True)),
                ('retired_at', models.DateTimeField(blank=True, null=True)),
                ('checkpoint', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deployments', to='registry.checkpoint')),
                ('replaces', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='replaced_by', to='registry.deployment')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='checkpointparent',
            constraint=models.UniqueConstraint(fields=('child', 'parent', 'role'), name='checkpoint_parent_once'),
        ),
        migrations.AddConstraint(
            model_name='checkpointparent',
            constraint=models.CheckConstraint(condition=models.Q(('child', models.F('parent')), _negated=True), name='checkpoint_not_its_own_parent'),
        ),
        migrations.AddIndex(
            model_name='deployment',
            index=models.Index(fields=['state'], name='deployment_state'),
        ),
        migrations.AddConstraint(
            model_name='deployment',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['requested', 'starting', 'live'])), fields=('name',), name='deployment_name_once_at_a_time'),
        ),
    ]
